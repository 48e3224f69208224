"""Pillarbox: a POP3 server for real mail.

The map, by layer; a file imports only from lower ones:

    wire       1  the protocol, sans I/O: grammar, replies, the state table, server, client and observer cores
    sasl       1  SASL mechanisms, both sides, pure
    events     1  what happens, as frozen types; secrets as a type that never prints
    config     1  the settings: schema, loading, explaining
    maildrop   2  what POP3 sees of a mailbox, and the stores behind it
    auth       2  attempts in, decisions out
    watch      2  events as log lines
    session    3  one client's conversation
    server     4  sockets, TLS, worker processes
    wiring     7  where the parts are put together
    cli        8  the `pillarbox` program
    testing    -  for your tests: a live server, and the conformance kit for stores
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
