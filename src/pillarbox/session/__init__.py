"""One client's conversation: commands in, replies out. Never touches a socket, a hash or a file.

`session` holds the state and the dispatch; `login` serves AUTHORIZATION, `mail` serves TRANSACTION and UPDATE,
`capa` says what can be done here and now, `languages` has the texts of RFC 6856's LANG.
"""
