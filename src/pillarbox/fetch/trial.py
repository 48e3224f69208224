"""Trying an account out before it is used: the login and the destination, without fetching or deleting anything.

Rules: nothing is changed on the server; a destination may be made where it is missing, as its first run would do.
"""

from __future__ import annotations

from typing import NamedTuple

from pillarbox.client.blocking import Client
from pillarbox.client.errors import ClientError, Refused, TlsError
from pillarbox.fetch.advice import advised
from pillarbox.fetch.destination import DestinationError
from pillarbox.fetch.errors import journal_problem
from pillarbox.fetch.settings import FetchAccount


class Trial(NamedTuple):
    """What came of it.

    Attributes:
        messages, octets: in the mailbox.
        unique_ids: whether the server gives unique-ids; without them everything is downloaded to be recognised.
        login, destination: what is wrong with them; "" if nothing is.
        password: whether it may be the password. certificate: whether it is the server's certificate.
    """

    messages: int = 0
    octets: int = 0
    unique_ids: bool = True
    login: str = ""
    destination: str = ""
    password: bool = False
    certificate: bool = False


def try_account(account: FetchAccount) -> Trial:
    """Log in, look into the mailbox, and open the destination."""
    try:
        # Where it is remembered which servers have TLS; a run makes it with its journal.
        account.journals.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        return Trial(login=str(journal_problem(error, account.journals)))
    trial = _try_login(account)
    try:
        account.destination.open()
    except DestinationError as error:
        trial = trial._replace(destination=str(error))
    finally:
        account.destination.close()
    return trial


def _try_login(account: FetchAccount) -> Trial:
    try:
        with Client(
            account.url,
            user=account.user,
            password=account.password,
            auth=account.auth,
            tls=account.tls,
            timeout=account.timeout,
            limits=account.limits,
            connect=account.connect,
            lenient_lf=account.lenient_lf,
            pipelining=account.pipelining,
        ) as box:
            stat = box.stat()
            box.listing()
            return Trial(stat.messages, stat.octets, box.unique_ids is not False)
    except ClientError as error:
        certificate = isinstance(error, TlsError) and "certificate of" in str(error)
        return Trial(login=advised(error), password=isinstance(error, Refused), certificate=certificate)
