"""What can go wrong with a maildrop. Raised deep with plain data; translated to a reply once, by the session."""

from __future__ import annotations


class MaildropError(Exception):
    """Base of everything a store may raise on purpose."""


class MaildropBusy(MaildropError):
    """Another session holds the lease. `holder` is for people and may be empty; `since` is UTC seconds or None."""

    def __init__(self, holder: str = "", since: float | None = None) -> None:
        super().__init__(f"held by {holder or 'another session'}")
        self.holder = holder
        self.since = since


class MaildropUnavailable(MaildropError):
    """The maildrop cannot be used. `permanent` is True where waiting will not help (it takes an administrator)."""

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent


class MaildropReplaced(MaildropUnavailable):
    """The maildrop was removed or replaced during the session. Nothing was changed."""


class MessageGone(MaildropError):
    """A message of the snapshot was removed or altered by another program. `index` is 0-based."""

    def __init__(self, index: int, reason: str = "removed by another program") -> None:
        super().__init__(reason)
        self.index = index
        self.reason = reason


class ReadOnly(MaildropError):
    """The maildrop was opened read-only, or lies where nothing can be changed."""


class PartlyCommitted(MaildropError):
    """UPDATE removed `removed` messages and could not remove `failed` others; `reason` says why."""

    def __init__(self, removed: int, failed: int, reason: str) -> None:
        super().__init__(reason)
        self.removed = removed
        self.failed = failed
        self.reason = reason
