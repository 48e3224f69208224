"""The torture suite: any POP3 client program against hostile servers, cut connections and crashes.

`cases` says what is done to a client and what it has to keep to, `clients` how a program is started, `run` starts and
measures it, `judge` looks at what came of it, `suite` puts them together, `report` writes it down.
"""
