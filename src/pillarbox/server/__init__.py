"""The server's shell: processes, sockets, TLS and the loop that moves octets between a socket and a session.

Map: `supervisor` starts, replaces, reloads and stops worker processes; `listeners` binds; `systemd` takes sockets from
and reports to the service manager; `privileges` gives up root; `gate` counts connections over all workers; `tls` and
`certificates` make TLS contexts; `proxy_protocol` reads the header of a load balancer; `connection` is one connection.
"""
