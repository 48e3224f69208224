"""The sections about connections: listeners, and the certificates they show.

Rules: what is checked here concerns one table alone; what concerns several (names and ports used twice, a listener
without a certificate) is in `checks`. Serves RFC 8314 (implicit TLS first) and RFC 2595 (STLS).
"""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo

from pillarbox.config.fields import (
    CertificateNames,
    Ciphers,
    ListenAddresses,
    NeededPath,
    Network,
    Networks,
    OptionalPath,
    Reason,
    Section,
    ShortName,
    ShortNameOrEmpty,
    setting,
)
from pillarbox.config.problem import Wrong

IMPLICIT_PORT = 995
STARTTLS_PORT = 110


LARGEST_EXCEPTION = {4: 8, 6: 16}
"""Prefix lengths by IP version: no organisation has a larger network than that, so a larger one is everyone's."""


def _not_everyone(networks: tuple[Network, ...]) -> tuple[Network, ...]:
    if not networks:
        raise Wrong("the list is empty: the exception is for no one", "name the networks, or remove the table")
    for network in networks:
        if network.prefixlen < LARGEST_EXCEPTION[network.version] and not network.is_private:
            what = f'"{network}" would let half the world log in without TLS'
            raise Wrong(what, "name the few networks that need it")
    return networks


class CleartextLogin(Section):
    """A dated exception: networks from which a login without TLS is still let through."""

    networks: Annotated[Networks, AfterValidator(_not_everyone)] = setting(
        (),
        "The client networks the exception is for; keep them as small as can be.",
        kind="a list of networks in quotes",
        example=["192.0.2.17"],
        required=True,
    )
    until: datetime.date = setting(
        None,
        "The last day (UTC) of the exception. After it these clients are refused like all others.",
        kind="a date without quotes",
        example=datetime.date(2027, 6, 30),
        required=True,
    )
    reason: Reason = setting(
        "",
        "Why the exception exists, for whoever reads the file later.",
        kind="text in quotes",
        example="printer in room 4 has no TLS",
        required=True,
    )


def _default_name(data: dict[str, Any]) -> str:
    # `Any`: pydantic hands over the fields checked so far.
    return "pop3" if data.get("tls") == "starttls" else "pop3s"


def _default_port(data: dict[str, Any]) -> int:
    # `Any`: as above.
    return STARTTLS_PORT if data.get("tls") == "starttls" else IMPLICIT_PORT


def _only_before_starttls(exceptions: tuple[CleartextLogin, ...], info: ValidationInfo) -> tuple[CleartextLogin, ...]:
    if exceptions and info.data.get("tls") == "implicit":
        raise Wrong(
            "there is no login in cleartext on a listener with implicit TLS",
            'move the exception to a listener with tls = "starttls"',
        )
    return exceptions


class Listener(Section):
    """One port the server answers on. Without any, it answers on 995 (implicit TLS) and 110 (STLS)."""

    tls: Literal["implicit", "starttls"] = setting(
        "implicit",
        '"implicit": TLS from the first octet (RFC 8314). "starttls": cleartext, where login needs STLS first.',
    )
    name: ShortName = setting(
        _default_name,
        'The listener\'s name in logs; unique. By default "pop3s" with implicit TLS and "pop3" with STLS.',
        kind="a short name in quotes",
        example="pop3s",
    )
    address: ListenAddresses = setting(
        ("*",),
        'The IP address to listen on, or a list of them. "*" means all of IPv4 and IPv6.',
        kind="an IP address in quotes, or a list of them",
        example="*",
    )
    port: int = setting(
        _default_port,
        "The TCP port. By default 995 with implicit TLS and 110 with STLS.",
        example=IMPLICIT_PORT,
        ge=1,
        le=65_535,
    )
    proxy_protocol: Networks = setting(
        (),
        "Networks of load balancers that begin each connection with a PROXY protocol header (version 1 or 2). "
        "From them the header is required; from everyone else it is not understood.",
        kind="a list of networks in quotes",
        example=["192.0.2.10"],
    )
    systemd: ShortNameOrEmpty = setting(
        "",
        "The name of a socket that systemd hands over (FileDescriptorName= of the socket unit). "
        '`address` and `port` are then not used. "" means that the server binds the port itself.',
        kind="the name of a systemd socket in quotes",
        example="pop3s",
    )
    cleartext_login: Annotated[
        tuple[CleartextLogin, ...], Field(strict=False), AfterValidator(_only_before_starttls)
    ] = setting(
        (),
        'Dated exceptions for clients that cannot speak TLS; only where tls is "starttls".',
        kind="one or more tables [[listener.cleartext_login]]",
    )


def default_listeners() -> tuple[Listener, ...]:
    """What the server listens on when the file names no listener."""
    return (Listener(tls="implicit"), Listener(tls="starttls"))


class Sni(Section):
    """A certificate for clients that ask for certain names."""

    names: CertificateNames = setting(
        (),
        'The host names this certificate is shown for; "*.example.org" stands for every name one level below.',
        kind="a list of host names in quotes",
        example=["pop.example.org"],
        required=True,
    )
    certificate: NeededPath = setting(
        None,
        "The file with the certificate and its chain, in PEM form.",
        kind="the path of a file in quotes",
        example="/etc/pillarbox/pop.example.org.pem",
        required=True,
    )
    key: NeededPath = setting(
        None,
        "The file with the private key, in PEM form; it may be the same file as the certificate.",
        kind="the path of a file in quotes",
        example="/etc/pillarbox/pop.example.org.key",
        required=True,
    )


def _with_authorities(mode: str, info: ValidationInfo) -> str:
    if mode != "off" and "client_ca" in info.data and info.data["client_ca"] is None:
        raise Wrong(
            "`tls.client_ca` is missing: without authorities no client certificate can be verified",
            'write client_ca = "/etc/pillarbox/clients.pem" under [tls]',
        )
    return mode


class Tls(Section):
    """Certificates and the TLS versions spoken."""

    certificate: OptionalPath = setting(
        None,
        "The file with the server's certificate and its chain, in PEM form. Read again on SIGHUP.",
        kind="the path of a file in quotes",
        example="/etc/letsencrypt/live/mail.example.org/fullchain.pem",
    )
    key: OptionalPath = setting(
        None,
        "The file with the private key, in PEM form without a passphrase; it may be the certificate's file.",
        kind="the path of a file in quotes",
        example="/etc/letsencrypt/live/mail.example.org/privkey.pem",
    )
    minimum_version: Literal["1.2", "1.3"] = setting(
        "1.2", "The oldest TLS version spoken. Versions before 1.2 are broken and not offered (RFC 8996)."
    )
    ciphers: Ciphers = setting(
        "",
        'The ciphers of TLS 1.2 as an OpenSSL cipher list; "" is a safe choice. TLS 1.3 has only safe ones.',
        kind="an OpenSSL cipher list in quotes",
        example="ECDHE+AESGCM:ECDHE+CHACHA20",
    )
    client_ca: OptionalPath = setting(
        None,
        "The file with the certificates of the authorities whose client certificates are trusted, in PEM form.",
        kind="the path of a file in quotes",
        example="/etc/pillarbox/clients.pem",
    )
    client_certificates: Annotated[Literal["off", "optional", "required"], AfterValidator(_with_authorities)] = setting(
        "off",
        'Whether clients are asked for a certificate. "off": no; one that is offered is ignored. "optional": a client '
        'may show one, and log in with SASL EXTERNAL. "required": no TLS without one. One that is expired, unknown or '
        "not for clients ends the handshake in both cases.",
    )
    sni: Annotated[tuple[Sni, ...], Field(strict=False)] = setting(
        (),
        "More certificates, chosen by the name the client asks for.",
        kind="one or more tables [[tls.sni]]",
    )
