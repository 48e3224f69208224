"""Which account a client certificate opens: one, or none."""

from __future__ import annotations

import datetime
import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pillarbox.auth.client_certificates import account_of, fingerprint

SINCE = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
UNTIL = datetime.datetime(2031, 1, 1, tzinfo=datetime.UTC)
NOW = SINCE.timestamp() + 1000
KEY = ec.generate_private_key(ec.SECP256R1())
UPN = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")


def certificate(*names: x509.GeneralName, common_name: str = "Anna") -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(KEY.public_key())
    made = made.serial_number(7).not_valid_before(SINCE).not_valid_after(UNTIL)
    if names:
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return made.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def mail(address: str) -> x509.RFC822Name:
    return x509.RFC822Name(address)


ANNA = certificate(mail("anna@example.org"))


def test_one_mail_address_is_the_account() -> None:
    assert account_of(ANNA, NOW) == "anna@example.org"
    beside = certificate(x509.DNSName("phone.example.org"), mail("anna@example.org"))
    assert account_of(beside, NOW) == "anna@example.org"


@pytest.mark.parametrize(
    "names",
    [
        (),
        (x509.DNSName("anna.example.org"),),
        (mail("anna@example.org"), mail("bert@example.org")),
        (mail("anna@example.org"), mail("anna@example.org")),
        (x509.UniformResourceIdentifier("mailto:anna@example.org"),),
        (x509.OtherName(UPN, b"\x0c\x10anna@example.org"),),
    ],
)
def test_none_or_several_open_nothing(names: tuple[x509.GeneralName, ...]) -> None:
    """Nor does an address in the subject, which RFC 5280 §4.1.2.6 deprecates."""
    assert account_of(certificate(*names, common_name="anna@example.org"), NOW) is None


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        (SINCE.timestamp() - 1, False),
        (SINCE.timestamp(), True),
        (UNTIL.timestamp(), True),  # RFC 5280 §4.1.2.5: the second itself belongs to it
        (UNTIL.timestamp() + 1, False),
    ],
)
def test_it_opens_within_its_dates_alone(now: float, opens: bool) -> None:
    assert (account_of(ANNA, now) is not None) is opens


@pytest.mark.parametrize(
    "octets",
    [b"", b"\0", b"-----BEGIN CERTIFICATE-----", ANNA[:-1], ANNA[: len(ANNA) // 2], b"\x30\x82" + bytes(40)],
)
def test_what_is_no_certificate_opens_nothing(octets: bytes) -> None:
    assert account_of(octets, NOW) is None


def test_no_damage_raises() -> None:
    """Each octet changed in turn: what still reads has the one address or none, and nothing is raised."""
    at = ANNA.index(b"anna@example.org")
    for position in range(len(ANNA)):
        damaged = ANNA[:position] + bytes([ANNA[position] ^ 0x22]) + ANNA[position + 1 :]
        inside = at <= position < at + len(b"anna@example.org")
        assert inside or account_of(damaged, NOW) in {None, "anna@example.org"}


def test_names_of_kinds_that_are_not_read_open_nothing() -> None:
    """An ediPartyName or x400Address (RFC 5280 §4.2.1.6) in place of the mail address."""
    at = ANNA.index(b"anna@example.org") - 2
    assert ANNA[at] == 0x81  # rfc822Name
    for kind in (0xA3, 0xA5):
        assert account_of(ANNA[:at] + bytes([kind]) + ANNA[at + 1 :], NOW) is None


def test_the_fingerprint_tells_certificates_apart() -> None:
    assert fingerprint(ANNA) == hashlib.sha256(ANNA).hexdigest()[:16]
    assert fingerprint(ANNA) != fingerprint(certificate(mail("anna@example.org")))
