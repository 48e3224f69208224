"""A value that never prints: passwords, tokens and SASL data travel in this type only."""

from __future__ import annotations

import hmac
from typing import Any, NoReturn


class Secret:
    """Octets that show themselves only through `reveal`.

    `str`, `repr`, `format` and pickling give nothing away, so that no log, event, trace or error page can hold the
    value by accident.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes | str) -> None:
        self._value = value.encode("utf-8") if isinstance(value, str) else bytes(value)

    def reveal(self) -> bytes:
        """The value itself. Call it only where the value is used up."""
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        raise TypeError("a Secret is not hashable: do not use it as a key")

    def __repr__(self) -> str:
        return "Secret(…)"

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret does not leave the process")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self
