"""The Maildir store: mail that Postfix, Exim, Dovecot's LDA and others deliver, served without changing how they work.

`store` opens a Maildir (`lock`, `scan`, `index`) and gives an `opened` one, which reads messages and enters UPDATE
(`update`). `directory` is the only way to its files; `unique_ids` and `imports` say what UIDL shows.
"""

from pillarbox.maildrop.stores.maildir.imports import Source
from pillarbox.maildrop.stores.maildir.store import MaildirStore

__all__ = ["MaildirStore", "Source"]
