"""The XML in which domains and public lists tell mail programs their servers ("config-v1.1.xml").

Rules: it comes from a stranger: no document type and so no entities, bounded depth, number and length, and nothing is
kept but the fields of `<incomingServer type="pop3">`. A server without TLS is left out, as is a way to log in that we
do not have. Placeholders are filled in once; what they give is checked like anything else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.parsers import expat

from pillarbox.client.discover_proposal import Address, AuthKind, host_name

__all__ = ["BadSettings", "Server", "pop3_servers"]

_MAX_DEPTH = 16
_MAX_ELEMENTS = 2000
_MAX_TEXT = 300
_MAX_SERVERS = 10
_PATH = ("clientConfig", "emailProvider", "incomingServer")
_FIELDS = frozenset({"hostname", "port", "socketType", "username", "authentication"})
_KINDS = {
    "password-cleartext": AuthKind.PASSWORD,  # inside TLS
    "password-encrypted": AuthKind.PASSWORD,
    "plain": AuthKind.PASSWORD,  # the first form's words
    "secure": AuthKind.PASSWORD,
    "oauth2": AuthKind.OAUTH2,
    "tls-client-cert": AuthKind.CERTIFICATE,
}
_PLACEHOLDER = re.compile("%EMAIL(?:ADDRESS|LOCALPART|DOMAIN)%")
_TLS = {"ssl": True, "starttls": False}


class BadSettings(Exception):
    """The document cannot be used. The text is fixed."""


@dataclass(frozen=True, slots=True)
class Server:
    """One POP3 server of a document.

    Attributes:
        implicit_tls: TLS from the first octet; else STLS.
    """

    host: str
    port: int
    implicit_tls: bool
    user: str
    auth: AuthKind


def pop3_servers(document: bytes, address: Address) -> list[Server]:
    """The POP3 servers of a document that have TLS, in its order; one for each way to log in.

    Args:
        document: XML, in any encoding expat knows.
        address: fills in the placeholders.

    Raises:
        BadSettings: it is no such document.
    """
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reader.doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(document, True)
    except (expat.ExpatError, ValueError, LookupError):
        raise BadSettings("the settings are not well-formed XML") from None
    if not reader.is_settings:
        raise BadSettings("the document holds no mail settings")
    return [server for fields in reader.servers[:_MAX_SERVERS] for server in _servers(fields, address)]


class _Reader:
    def __init__(self) -> None:
        self.servers: list[dict[str, list[str]]] = []
        self.is_settings = False
        self._path: list[str] = []
        self._elements = 0
        self._inside = False
        self._text = ""

    def doctype(self, *_: object) -> None:
        raise BadSettings("the settings declare a document type, which they must not")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name)
        self._elements += 1
        if len(self._path) > _MAX_DEPTH or self._elements > _MAX_ELEMENTS:
            raise BadSettings("the settings are too large")
        self._text = ""
        path = tuple(self._path)
        self.is_settings = self.is_settings or path == _PATH[:2]
        if path == _PATH:
            self._inside = attributes.get("type", "").lower() == "pop3"
            if self._inside:
                self.servers.append({})

    def text(self, data: str) -> None:
        if self._inside:
            self._text += data
            if len(self._text) > _MAX_TEXT:
                raise BadSettings("the settings are too large")

    def end(self, name: str) -> None:
        if self._inside and len(self._path) == len(_PATH) + 1 and name in _FIELDS:
            self.servers[-1].setdefault(name, []).append(self._text.strip())
        self._text = ""
        self._path.pop()
        self._inside = self._inside and len(self._path) >= len(_PATH)


def _servers(fields: dict[str, list[str]], address: Address) -> list[Server]:
    host = host_name(_filled_in(fields.get("hostname", [""])[0], address))
    port = fields.get("port", [""])[0]
    implicit = _TLS.get(fields.get("socketType", [""])[0].lower())
    user = _filled_in(fields.get("username", ["%EMAILADDRESS%"])[0], address)
    if not host or implicit is None or not user or not user.isprintable():
        return []
    if not (port.isascii() and port.isdigit() and len(port) < 6 and 0 < int(port) < 65536):
        return []
    # The best comes first; the same kind may be there twice by two names.
    named = [_KINDS.get(name.lower()) for name in fields.get("authentication", ["password-cleartext"])]
    kinds = dict.fromkeys(kind for kind in named if kind is not None)
    return [Server(host, int(port), implicit, user, kind) for kind in kinds]


def _filled_in(text: str, address: Address) -> str:
    values = {"%EMAILADDRESS%": address.text, "%EMAILLOCALPART%": address.local, "%EMAILDOMAIN%": address.domain}
    return _PLACEHOLDER.sub(lambda found: values[found.group()], text)
