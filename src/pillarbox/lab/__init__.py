"""The laboratory: measures of the server's defences that need no network and no real user.

`pillarbox lab guard` races sign-in policies on the same simulated traffic. Files: `parameters` (every number, with its
source, in parameters.toml) · `population` and `attackers` (who signs in) · `policies`, `bans`, `counters` (what is
raced) · `simulate` (the loop) · `measure` (what is counted) · `report` and `plot` · `replay` (the same traffic against
a real server). What it finds is simulated: no public labelled POP3 login data exists.
"""
