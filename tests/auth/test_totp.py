"""TOTP against the RFC's vectors, and codes that are good once, whoever asks."""

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from pillarbox.auth import totp
from pillarbox.auth.accounts import AccountStore, NoSuchAccount
from pillarbox.auth.keys import KeyFile, KeyUnavailable
from pillarbox.auth.totp import TotpEnrolled, TotpMissing, TotpStore, WrongCode, code_at, matching_step, split, step_at

NOW = 1_800_000_000.0
SECRET = b"12345678901234567890"
_CODES_LEFT = "SELECT count(*) FROM recovery_code WHERE account = ?"


class Here:
    def __init__(self, base: Path) -> None:
        self.base = base
        self.now = NOW
        self.accounts = AccountStore(base / "accounts.sqlite", clock=lambda: self.now)
        self.accounts.create()
        for name in ("alice", "bob"):
            self.accounts.add(name, "hash")
        self.store = TotpStore(self.accounts, KeyFile(base / "secret.key"), clock=lambda: self.now)
        self.recovery = self.store.enrol("alice", SECRET, self.code())

    def code(self, steps: int = 0) -> str:
        return code_at(SECRET, step_at(self.now) + steps)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Here]:
    here = Here(tmp_path)
    yield here
    here.accounts.close()


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_the_vectors_of_rfc_6238_appendix_b(seconds: int, code: str) -> None:
    assert code_at(SECRET, step_at(seconds), digits=8) == code
    assert code_at(SECRET, step_at(seconds)) == code[2:]


def test_the_vectors_of_rfc_4226_appendix_d() -> None:
    codes = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"]
    assert [code_at(SECRET, count) for count in range(10)] == codes


def test_pyotp_agrees() -> None:
    pyotp = pytest.importorskip("pyotp")
    for seed in range(50):
        secret = totp.new_secret(random.Random(seed).randbytes)
        other = pyotp.TOTP(totp.shown(secret))
        when = NOW + seed * 1234
        assert other.at(when) == code_at(secret, step_at(when))
        read = pyotp.parse_uri(totp.uri("ålice+x@example.org", secret, "Post & Co"))
        assert (read.secret, read.name, read.issuer) == (totp.shown(secret), "ålice+x@example.org", "Post & Co")


def test_the_uri() -> None:
    uri = urlsplit(totp.uri("alice@example.org", SECRET, "Pillarbox"))
    assert (uri.scheme, uri.netloc, unquote(uri.path)) == ("otpauth", "totp", "/Pillarbox:alice@example.org")
    assert parse_qs(uri.query) == {"secret": ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"], "issuer": ["Pillarbox"]}


def test_one_step_before_and_after() -> None:
    found = [matching_step(SECRET, code_at(SECRET, step_at(NOW) + away), NOW) for away in range(-2, 3)]
    assert found == [None, step_at(NOW) - 1, step_at(NOW), step_at(NOW) + 1, None]
    assert matching_step(SECRET, "755224", 0.0) == 0  # before the first step there is none
    assert matching_step(SECRET, "１２３４５６", NOW) is None


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        (b"hunter2123456", (b"hunter2", "123456")),
        (b"pass 123456", (b"pass ", "123456")),
        (b"123456654321", (b"123456", "654321")),
        (b"p\xc3\xa4ss000000", (b"p\xc3\xa4ss", "000000")),
        (b"1234567", (b"1", "234567")),
        (b"123456", None),
        (b"", None),
        (b"hunter2", None),
        (b"hunter 12345", None),
        (b"hunter12345x", None),
        ("hunter１２３４５６".encode(), None),
        (b"hunter-12345", None),
        (b"hunter 123456 ", None),
    ],
)
def test_a_code_behind_a_password(given: bytes, parts: tuple[bytes, str] | None) -> None:
    assert split(given) == parts


def test_a_code_is_good_once(here: Here) -> None:
    assert not here.store.use_code("alice", here.code())  # it was used to enrol
    here.now += 30
    assert here.store.use_code("alice", here.code())
    assert not here.store.use_code("alice", here.code())
    here.now += 1
    assert not here.store.use_code("alice", here.code())
    assert not here.store.use_code("alice", here.code(-1))
    assert here.store.use_code("alice", here.code(1))  # the step after is within the window
    assert not here.store.use_code("alice", here.code())  # and no older one after it
    here.now += 90
    assert here.store.use_code("alice", here.code())


def test_other_accounts_and_wrong_codes(here: Here) -> None:
    here.now += 30
    assert not here.store.use_code("bob", here.code())
    assert not here.store.use_code("nobody", here.code())
    for wrong in ("", "0", "abcdef", here.code() + "0", f"{(int(here.code()) + 1) % 10**6:06d}"):
        assert not here.store.use_code("alice", wrong)
    assert here.store.use_code("alice", here.code())


def test_of_many_processes_one_takes_the_code(here: Here) -> None:
    here.now += 30
    code = (
        "import sys\nfrom pathlib import Path\nfrom pillarbox.auth.accounts import AccountStore\n"
        "from pillarbox.auth.keys import KeyFile\nfrom pillarbox.auth.totp import TotpStore\n"
        "base, now = Path(sys.argv[1]), float(sys.argv[2])\n"
        "accounts = AccountStore(base / 'accounts.sqlite', clock=lambda: now)\n"
        "store = TotpStore(accounts, KeyFile(base / 'secret.key'), clock=lambda: now)\n"
        "print(sum(store.use_code('alice', sys.argv[3]) for _ in range(20)))"
    )
    arguments = [sys.executable, "-c", code, str(here.base), str(here.now), here.code()]
    processes = [subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert sorted(process.communicate()[0].strip() for process in processes) == ["0", "0", "0", "1"]


def test_recovery_codes_are_good_once(here: Here) -> None:
    assert len(set(here.recovery)) == 10
    assert not here.store.use_recovery_code("bob", here.recovery[0])
    assert here.store.use_recovery_code("alice", here.recovery[0].upper().replace("-", " ").replace("0", "O"))
    assert not here.store.use_recovery_code("alice", here.recovery[0])
    assert here.accounts.row(_CODES_LEFT, ("alice",)) == (9,)
    assert not here.store.use_recovery_code("alice", "0000-0000-0000-0000")
    assert not here.store.use_recovery_code("alice", "")


def test_a_stolen_database_gives_nothing_away(here: Here) -> None:
    """P60."""
    octets = b"".join(file.read_bytes() for file in here.base.glob("accounts.sqlite*"))
    forms = [SECRET, totp.shown(SECRET).encode(), *(code.replace("-", "").encode() for code in here.recovery)]
    assert not [form for form in forms if form in octets]


def test_enrolment_wants_a_right_code_and_no_earlier_one(here: Here) -> None:
    with pytest.raises(TotpEnrolled):
        here.store.enrol("alice", SECRET, here.code())
    with pytest.raises(WrongCode):
        here.store.enrol("bob", SECRET, here.code(5))
    assert not here.accounts.show("bob").totp
    with pytest.raises(NoSuchAccount):
        here.store.enrol("nobody", SECRET, here.code())
    assert here.accounts.show("alice").totp


def test_removing(here: Here) -> None:
    epoch = here.accounts.show("alice").epoch
    here.store.remove("alice")
    assert here.accounts.show("alice").epoch > epoch
    assert not here.accounts.show("alice").totp
    here.now += 30
    assert not here.store.use_code("alice", here.code())
    assert not here.store.use_recovery_code("alice", here.recovery[1])
    with pytest.raises(TotpMissing):
        here.store.remove("alice")


def test_a_removed_account_takes_its_totp_along(here: Here) -> None:
    here.accounts.remove("alice")
    here.accounts.add("alice", "hash")
    assert not here.accounts.show("alice").totp
    assert here.accounts.row(_CODES_LEFT, ("alice",)) == (0,)


def test_a_lost_key_is_not_a_wrong_code(here: Here) -> None:
    """P44; and TOTP can be removed without the key."""
    (here.base / "secret.key").unlink()
    store = TotpStore(here.accounts, KeyFile(here.base / "secret.key"), clock=lambda: NOW)
    with pytest.raises(KeyUnavailable):
        store.use_code("alice", "000000")
    with pytest.raises(KeyUnavailable):
        store.use_recovery_code("alice", here.recovery[0])
    store.remove("alice")
