"""Account names, and the Maildir path that belongs to one.

Rules: a name is brought into one canonical form before anything looks at it; nothing in a name is ever a placeholder, a
path component of its own, or a control character; a path template is filled in one pass, so that what a name brings in
is never expanded again.

Canonical form: NFC; ASCII letters of the local part and all letters of the domain in lower case; one "@" at most; at
most 254 octets of UTF-8 (RFC 5321 §4.5.3.1.3, as corrected by erratum 1690). An internationalised domain is kept as it
is written: "bücher.example" and "xn--bcher-kva.example" are two names. A quoted local part is not supported.
"""

from __future__ import annotations

import re
import unicodedata

MAX_NAME_OCTETS = 254

# The everyday name needs no Unicode work: one match, and it is canonical.
_PLAIN = re.compile(r"[a-z0-9_][a-z0-9_.+-]{0,63}(?:@[a-z0-9][a-z0-9.-]{0,100})?", re.ASCII)
_FORBIDDEN = re.compile(r"[/\x00]")
_UPPER_ASCII = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


class InvalidName(ValueError):
    """The text cannot be an account's name. The message says why, and never repeats the text."""


class InvalidPath(ValueError):
    """No usable Maildir path results. The message is for the administrator."""


def normalise(text: str, default_domain: str = "") -> str:
    """The canonical form of an account name; `default_domain` is added to a name that has no domain.

    Raises:
        InvalidName: `text` cannot be the name of an account.
    """
    if _PLAIN.fullmatch(text) and ".." not in text and text[-1] != "." and ".@" not in text:
        return text if "@" in text or not default_domain else _checked(f"{text}@{default_domain}")
    if len(text) > 4 * MAX_NAME_OCTETS:  # no work for what cannot become short enough
        raise InvalidName(f"it is longer than {MAX_NAME_OCTETS} octets")
    return _checked(text if "@" in text or not default_domain else f"{text}@{default_domain}")


def canonical_or_typed(text: str, default_domain: str = "") -> str:
    """The canonical form of an account name; `text` itself where it cannot be one. No name's form is such a text."""
    try:
        return normalise(text, default_domain)
    except InvalidName:
        return text


def split(account: str) -> tuple[str, str]:
    """The user and the domain of a canonical name; the domain is "" where there is none."""
    user, _, domain = account.partition("@")
    return user, domain


def maildir_path(template: str, account: str, home: str = "") -> str:
    """Fill {user}, {domain}, {account} and {home} into `template`; the result is an absolute path.

    `account` is canonical. A placeholder that is empty for this account is refused: "/mail/{domain}/{user}" without a
    domain would put one account's mail among the domains.

    Raises:
        InvalidPath: unknown or empty placeholder, a relative path, a component "..", or a control character.
    """
    user, domain = split(account)
    values = {"user": user, "domain": domain, "account": account, "home": home}

    def value(match: re.Match[str]) -> str:
        key = match[1]
        if key is None:
            return match[0][0]  # a doubled brace is one literal brace
        if key not in values:
            raise InvalidPath(f"the path {template!r} has an unknown placeholder {{{key}}}")
        if not values[key]:
            raise InvalidPath(f"the path {template!r} needs {{{key}}}, and the account {account!r} has none")
        return values[key]

    return _absolute(_PLACEHOLDER.sub(value, template))


def _checked(text: str) -> str:
    """The canonical form of any text, the slow way."""
    local, at, domain = unicodedata.normalize("NFC", text).partition("@")
    local = local.translate(_UPPER_ASCII)
    name = f"{local}{at}{_folded(domain)}"
    _refuse_bad_characters(name)
    if at and not domain:
        raise InvalidName("nothing stands behind its @")
    if "@" in domain:
        raise InvalidName("it has more than one @")
    for part in (local, domain) if at else (local,):
        _refuse_bad_dots(part)
    if len(name.encode()) > MAX_NAME_OCTETS:
        raise InvalidName(f"it is longer than {MAX_NAME_OCTETS} octets")
    return name


def _refuse_bad_characters(name: str) -> None:
    if _FORBIDDEN.search(name):
        raise InvalidName('it holds a "/" or a NUL')
    # Categories C (control, format, surrogate, private, unassigned) and Z (spaces) are invisible or do not survive
    # a line-based protocol, a path or a log line.
    if any(unicodedata.category(character)[0] in "CZ" for character in name):
        raise InvalidName("it holds a space, or a control or invisible character")


def _refuse_bad_dots(part: str) -> None:
    if not part:
        raise InvalidName("it is empty")
    if part.startswith(".") or part.endswith(".") or ".." in part:
        raise InvalidName("a part of it begins or ends with a dot, or has two dots in a row")


def _folded(domain: str) -> str:
    # Lower case can undo NFC ("İ" becomes two characters), hence the second pass.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", domain).lower())


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise InvalidPath(f"the path {path!r} is not absolute")
    if not path.isprintable() and any(unicodedata.category(character) in {"Cc", "Cs"} for character in path):
        raise InvalidPath("the path holds a control character")
    components = [component for component in path.split("/") if component not in {"", "."}]
    if ".." in components:
        raise InvalidPath(f'the path {path!r} has a component ".."')
    if not components:
        raise InvalidPath("the path is the root directory")
    return "/" + "/".join(components)
