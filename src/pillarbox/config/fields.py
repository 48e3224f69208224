"""The building blocks of the schema: how a setting is declared, and the kinds of values settings have.

Rules: a setting is declared by `setting`, which demands a sentence of doc; kinds of values check themselves and
explain in plain words (`Wrong`) what they refuse; nothing here looks at a file, a clock or the network. Numbers must
be written as numbers and text as text (strict), so that a slip is found when the file is read, not at three in the
morning. The sections themselves are in the `schema*` modules.
"""

from __future__ import annotations

import ipaddress
import math
import re
import ssl
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationInfo

from pillarbox.config.problem import Wrong

T = TypeVar("T")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

ANY_ADDRESS = "*"
"""A listener's address: all of IPv4 and IPv6."""


class Section(BaseModel):
    """Base of all sections: frozen, strict about types, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def setting(default: Any, doc: str, *, kind: str = "", example: Any = None,
            ge: float | None = None, le: float | None = None, required: bool = False) -> Any:  # fmt: skip
    """Declare one setting.

    `Any` because pydantic takes the type from the annotation beside it.

    Args:
        default: its value when the file does not name it, or a function that makes it.
        doc: one or more sentences, with the unit.
        kind: what a value must be, to follow "must be"; may be left out for plain numbers and switches.
        example: a value to show when the default would not help.
        ge: the smallest number allowed.
        le: the largest number allowed.
        required: the file must name it; `default` is ignored.
    """
    extra = {"kind": kind, "example": example}
    # `le` and `ge` of None mean no bound for pydantic too; its type stubs do not know.
    if required:
        return Field(description=doc, json_schema_extra=extra, ge=ge, le=le)
    if callable(default):
        return Field(default_factory=default, description=doc, json_schema_extra=extra, ge=ge, le=le)
    return Field(default=default, description=doc, json_schema_extra=extra, ge=ge, le=le)


# ---- text -----------------------------------------------------------------------------------------------------

_LABEL = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
_HOST_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,63}\Z")
MAX_GREETING = 400
"""Octets: RFC 1939 §3 gives a status line 512, and "+OK ", a timestamp and CRLF need room too."""


def host_name(text: str) -> str:
    """Check a host or domain name and return it in lower case.

    Raises:
        Wrong: it is not one, in the form the DNS uses.
    """
    if not text.isascii():
        try:
            coded = text.encode("idna").decode("ascii")
        except UnicodeError:
            coded = ""
        raise Wrong(f'"{text}" is not in ASCII', f'write it as the DNS has it: "{coded or "xn--…"}"')
    if len(text) > 253 or not _HOST_NAME.match(text):
        raise Wrong(f'"{text}" is not a host name', 'write a name such as "mail.example.org"')
    return text.lower()


def domain_name(text: str) -> str:
    """Check the domain of accounts and return it in lower case; unlike a host's name it may hold any letters.

    Raises:
        Wrong: it is not a domain.
    """
    if text.isascii():
        return host_name(text)
    # Lower case can undo NFC, hence the second pass; accounts' names are folded in the same way.
    name = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())
    if not all(label.replace("-", "x").isalnum() for label in name.split(".")):
        raise Wrong(f'"{text}" is not a domain name', 'write a name such as "example.org"')
    return name


def _certificate_name(text: str) -> str:
    wildcard, name = ("*.", text[2:]) if text.startswith("*.") else ("", text)
    if "*" in name:
        raise Wrong(f'"{text}": a star can only stand for the first part of a name', 'write "*.example.org"')
    return wildcard + host_name(name)


def _short_name(text: str) -> str:
    if not _NAME.match(text):
        advice = "use up to 64 letters, digits and - _ . @ +, beginning with a letter or a digit"
        raise Wrong(f'"{text}" is not a usable name', advice)
    return text


def _greeting(text: str) -> str:
    if not text.isascii() or not text.isprintable():
        raise Wrong("the greeting can only hold printable ASCII characters: no session speaks UTF-8 yet (RFC 6856 §2)")
    if text.startswith("["):
        raise Wrong('the greeting must not start with "[": clients would read it as a response code (RFC 2449 §8)')
    if "<" in text:
        raise Wrong('the greeting must not hold "<": clients would take it for an APOP timestamp (RFC 1939 §7)')
    if len(text) > MAX_GREETING:
        raise Wrong(f"the greeting has {len(text)} characters; {MAX_GREETING} is the most")
    return text


def _reason(text: str) -> str:
    if len(text.strip()) < 3:
        raise Wrong("the reason is empty", 'say why, for whoever finds this in a year: "printer in room 4, no TLS"')
    return text


def _ciphers(text: str) -> str:
    if text:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.set_ciphers(text)
        except (ssl.SSLError, ValueError):
            raise Wrong(
                f'OpenSSL knows no cipher in "{text}"', 'write "" for a safe choice, or see `openssl ciphers`'
            ) from None
        for cipher in context.get_ciphers():
            if "Au=None" in cipher["description"] or "Enc=None" in cipher["description"]:
                what = f'"{text}" lets {cipher["name"]} in, which does not encrypt, or does not prove who the server is'
                raise Wrong(what, 'write "" for a safe choice, or add ":!aNULL:!eNULL"')
    return text


def or_empty(check: Callable[[str], str]) -> AfterValidator:
    """A check that lets the empty text pass, too."""
    return AfterValidator(lambda text: check(text) if text else text)


HostNameOrEmpty = Annotated[str, or_empty(host_name)]
DomainName = Annotated[str, AfterValidator(domain_name)]
DomainNameOrEmpty = Annotated[str, or_empty(domain_name)]
CertificateName = Annotated[str, AfterValidator(_certificate_name)]
ShortName = Annotated[str, AfterValidator(_short_name)]
ShortNameOrEmpty = Annotated[str, or_empty(_short_name)]
Greeting = Annotated[str, AfterValidator(_greeting)]
Reason = Annotated[str, AfterValidator(_reason)]
Ciphers = Annotated[str, AfterValidator(_ciphers)]


# ---- files ----------------------------------------------------------------------------------------------------

BASE = "base"
"""The key of the validation context that holds the directory relative paths start from."""


def absolute_path(value: Any, info: ValidationInfo, read: Callable[[str | Path], Path]) -> Path | None:
    """The path that a setting names, None for "".

    Args:
        value: what the file held, or what a caller of the Python interface gave; hence `Any`.
        info: may hold the directory that relative paths start from, as `BASE`.
        read: makes the path, and says what "~" means.

    Raises:
        Wrong, ValueError: it is no path that can be used.
    """
    if value is None or value == "":
        return None
    if not isinstance(value, str | Path):
        raise ValueError("not a path")
    if "\0" in str(value):
        raise Wrong("a path cannot hold a NUL character")
    path = read(value)
    if not path.is_absolute():
        base = (info.context or {}).get(BASE)
        if base is None:
            raise Wrong(f'"{path}" is not an absolute path', f'write "/…/{path}"')
        path = Path(base) / path
    return path


def _read(value: str | Path) -> Path:
    if str(value).startswith("~"):
        raise Wrong('"~" has no meaning here: a server has no home directory', "write the full path")
    return Path(value)


def _path(value: Any, info: ValidationInfo) -> Path | None:
    # `Any`: as in `absolute_path`.
    return absolute_path(value, info, _read)


def _needed_path(value: Any, info: ValidationInfo) -> Path:
    # `Any`: as in `absolute_path`.
    path = _path(value, info)
    if path is None:
        raise Wrong("the path is empty", "write the full path of the file")
    return path


OptionalPath = Annotated[Path | None, PlainValidator(_path)]
"""An absolute path, or None, which a file writes as ""."""
NeededPath = Annotated[Path, PlainValidator(_needed_path)]


# ---- addresses ------------------------------------------------------------------------------------------------


def _network(value: Any) -> Network:
    # `Any`: what the file held.
    if isinstance(value, Network):
        return value
    if not isinstance(value, str):
        raise ValueError("not a network")
    try:
        return ipaddress.ip_network(value)
    except ValueError:
        pass
    try:
        wider = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise Wrong(
            f'"{value}" is not an address or a network', 'write one such as "192.0.2.0/24" or "2001:db8::/32"'
        ) from None
    raise Wrong(
        f'"{value}" is an address with the size of a network',
        f'write "{wider}", or the address without "/{wider.prefixlen}"',
    )


def _listen_address(text: str) -> str:
    if text == ANY_ADDRESS:
        return text
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise Wrong(
            f'"{text}" is not an IP address', 'write "*" for all addresses, or one such as "192.0.2.1" or "::1"'
        ) from None


def _one_or_many(value: Any) -> Any:
    # `Any`: what the file held; the checks that follow see to the rest.
    return (value,) if isinstance(value, str) else value


def not_empty(items: tuple[T, ...]) -> tuple[T, ...]:
    """Check that a list has an element."""
    # pydantic's own check of the length would also complain of a list whose elements are wrong.
    if not items:
        raise Wrong("the list is empty", "name at least one, or leave the setting out")
    return items


Networks = Annotated[tuple[Annotated[Network, PlainValidator(_network)], ...], Field(strict=False)]
ListenAddresses = Annotated[
    tuple[Annotated[str, AfterValidator(_listen_address)], ...],
    Field(strict=False),
    AfterValidator(not_empty),
    BeforeValidator(_one_or_many),
]
CertificateNames = Annotated[tuple[CertificateName, ...], Field(strict=False), AfterValidator(not_empty)]


def whole(number: float) -> int | float:
    """`number` as people write it: 60, not 60.0."""
    return int(number) if math.isfinite(number) and number == int(number) else number
