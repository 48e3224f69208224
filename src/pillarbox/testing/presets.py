"""Servers people know, as behaviours: near enough to test a client against, each with what it is known from.

Rules: only what a client can see matters; what is imitated comes from public documentation and from talking to free
software, and is named in `source`; nothing here claims to be complete. No name is used in a greeting.
"""

from __future__ import annotations

from collections.abc import Mapping

from pillarbox.testing.behaviour import Behaviour

PRESETS: Mapping[str, Behaviour] = {
    "pillarbox": Behaviour(source="this project's own session, with every mechanism"),
    "gmail": Behaviour(
        greeting="Gpop ready for requests",
        mechanisms=("PLAIN", "XOAUTH2", "OAUTHBEARER"),
        capa_with=("EXPIRE 0", "LOGIN-DELAY 300", "X-GOOGLE-RICO"),
        capa_without=frozenset({"PIPELINING", "AUTH-RESP-CODE", "UTF8", "LANG"}),
        hides_retrieved=True,
        recent_prefix="recent:",
        source="Google's help pages: what was retrieved is not offered again, unless the name begins with 'recent:'; "
        "what deleting does is a setting of the mailbox, and in recent mode it does nothing",
    ),
    "outlook": Behaviour(
        greeting="The Microsoft Exchange POP3 service is ready.",
        mechanisms=("PLAIN", "XOAUTH2"),
        initial_response=False,
        pipelining=False,
        user_pass=False,
        capa_without=frozenset({"RESP-CODES", "AUTH-RESP-CODE", "UTF8", "LANG"}),
        source="Microsoft's pages on OAuth for POP: the token goes on a line of its own, after 'AUTH XOAUTH2' and '+'; "
        "passwords alone are refused",
    ),
    "yahoo": Behaviour(
        greeting="Hello from jpop",
        mechanisms=("PLAIN", "XOAUTH2", "OAUTHBEARER"),
        capa_with=("EXPIRE NEVER", "LOGIN-DELAY 0"),
        capa_without=frozenset({"PIPELINING", "UTF8", "LANG"}),
        source="public CAPA replies; ordinary deletion",
    ),
    "dovecot": Behaviour(
        greeting="Dovecot ready.",
        mechanisms=("PLAIN", "LOGIN"),
        capa_without=frozenset({"UTF8", "LANG", "LOGIN-DELAY"}),
        source="Dovecot 2.3 in its default settings: PIPELINING, RESP-CODES, AUTH-RESP-CODE, UIDL, TOP",
    ),
    "courier": Behaviour(
        greeting="Hello there.",
        mechanisms=("PLAIN", "LOGIN"),
        capa_with=("LOGIN-DELAY 10", "EXPIRE NEVER"),
        capa_without=frozenset({"RESP-CODES", "AUTH-RESP-CODE", "UTF8", "LANG"}),
        source="Courier's pop3d: LOGIN-DELAY 10, PIPELINING, UIDL, TOP",
    ),
    "popa3d": Behaviour(
        greeting="",
        mechanisms=(),
        capa=False,
        refused=frozenset({"AUTH", "STLS", "UTF8", "LANG"}),
        source="popa3d: RFC 1939's commands and nothing newer, CAPA among what it does not know",
    ),
    "minimal": Behaviour(
        greeting="POP3 server ready",
        mechanisms=(),
        capa=False,
        pipelining=False,
        refused=frozenset({"AUTH", "STLS", "UTF8", "LANG", "TOP", "UIDL"}),
        source="RFC 1939 without its optional commands, one command at a time",
    ),
    "apop": Behaviour(
        greeting="POP3 ready",
        mechanisms=("APOP", "CRAM-MD5"),
        user_pass=False,
        capa=False,
        refused=frozenset({"UTF8", "LANG"}),
        source="an old server that takes no password in clear",
    ),
}
"""Behaviours by name."""


def preset(name: str) -> Behaviour:
    """The behaviour with that name.

    Raises:
        ValueError: there is none; the text names those there are.
    """
    if name not in PRESETS:
        raise ValueError(f"there is no preset {name!r}; there are: {', '.join(PRESETS)}")
    return PRESETS[name]
