"""Every limit of the protocol core, named, each with its source.

Operational limits that an administrator may set are in `pillarbox.config`; these are fixed by the RFCs, or bound what
the core itself may hold in memory.
"""

COMMAND_LINE = 255
"""Octets of a command line, its CRLF included (RFC 2449 §4)."""

SASL_LINE = 12_288
"""Octets of a line of a SASL exchange, CRLF included (RFC 5034 §4 leaves it to the mechanism; RFC 4954 §4.3)."""

REPLY_LINE = 512
"""Octets of the first line of a reply, its CRLF included (RFC 2449 §4)."""

MESSAGE_DIGITS = 10
"""Digits of a message number or line count: more than any maildrop has, less than what overflows anywhere."""

UNIQUE_ID = 70
"""Octets of a unique-id (RFC 1939 §7, UIDL)."""

REPLY_LINE_TOLERATED = 8_192
"""Octets of a status line or challenge that a client or an observer still reads: servers that embed long names or URLs
go over REPLY_LINE, and so do SASL challenges, for which no RFC has a limit."""

BODY_SLICE = 65_536
"""Octets of a body that are unstuffed at a time: bounds what is copied, whatever a transport hands over at once."""

OBSERVED_AHEAD = 65_536
"""Octets of a client that an observer holds while it cannot tell commands from an exchange or a handshake: several
times what a SASL exchange or a pipelining client sends there."""

PENDING_COMMANDS = 100_000
"""Commands a client or an observer may have without reply: bounds memory, far above any client's pipelining."""
