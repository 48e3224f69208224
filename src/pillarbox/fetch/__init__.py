"""The fetcher: brings mail from POP3 servers to where it belongs, exactly once.

- `destination`: the promise of every destination, and its values; `destinations`: the built-in ones
- `journal` (`journal_file`, `records`): what happened to each message, durably
- `staging`, `durable`, `batches`, `delivering`, `quarantine`: from octets that arrive to messages that are safe
- `plan`, `moved`, `doubtful`, `sifting`, `verdict`: what is to be done with a listing
- `run` (`session`, `receiving`, `telling`, `settings`, `tools`): one account's run
"""

from pillarbox.fetch.destination import Delivered, Destination, DestinationError, Failed, LineEnds, Staged, Sure
from pillarbox.fetch.errors import FetchError, JournalError, JournalLocked, StagingError
from pillarbox.fetch.journal import Journal
from pillarbox.fetch.plan import Oversize
from pillarbox.fetch.run import is_temporary, run_account
from pillarbox.fetch.settings import AT_ONCE, KEEP, FetchAccount, FetchProgress, RunResult
from pillarbox.fetch.verdict import Decision, Filter, Verdict

__all__ = [
    "AT_ONCE",
    "KEEP",
    "Decision",
    "Delivered",
    "Destination",
    "DestinationError",
    "Failed",
    "FetchAccount",
    "FetchError",
    "FetchProgress",
    "Filter",
    "Journal",
    "JournalError",
    "JournalLocked",
    "LineEnds",
    "Oversize",
    "RunResult",
    "Staged",
    "StagingError",
    "Sure",
    "Verdict",
    "is_temporary",
    "run_account",
]
