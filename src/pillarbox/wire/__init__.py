"""The POP3 protocol, sans I/O: octets in, values out; no socket, no clock, no file.

Server, client and network inspector drive the same core: `grammar` and `lines` read commands, `replies` and `dots`
read and write replies, `states` is the table all of them follow through `dialogue`. The three users are `peer` (the
server's end), `client_peer` and `observer`. Standard library only.
"""
