"""The benchmark: this server against Dovecot, in one run, as ratios of server CPU.

Run `make bench`, or `python -m bench --help`. How it measures and how to read it: docs/performance.md.

    __main__   options, the order of events, cleaning up
    rows       what is measured: one function a group of rows, with the goals
    method     interleaved slices; samples, ratios, verdicts (pure)
    usage      CPU and memory of a whole server, from its cgroup or from /proc
    process    starts a server on its cores, waits for its greeting, stops it
    servers    the three configurations: Dovecot, Pillarbox, nginx
    corpus     the mail: seeded messages, maildrops, deliveries
    load       builds and runs popload.c
    report     the table, latest.json and latest.md
    guard_row  the row about the guard's cost
    enumeration, enumeration_servers, probe, ranks     `python -m bench enumeration`
    flood, popflood.c                                  `python -m bench flood`
"""
