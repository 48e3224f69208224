import pytest
from pydantic import ValidationError

from pillarbox.config.schema_mail import Auth, Maildir, PasswdFile


@pytest.mark.parametrize(("memory", "passes"), [(19_456, 2), (47_104, 1), (12_288, 3), (7_168, 5), (65_536, 3)])
def test_hashing_as_strong_as_owasp_asks(memory: int, passes: int) -> None:
    assert Auth(argon2_memory_kib=memory, argon2_time=passes)


@pytest.mark.parametrize("table", [
    {"argon2_memory_kib": 19_456, "argon2_time": 1},
    {"argon2_memory_kib": 12_288},
    {"argon2_time": 1},
    {"argon2_memory_kib": 7_168, "argon2_time": 4},
])  # fmt: skip
def test_weaker_hashing_is_refused_with_the_memory_it_would_need(table: dict[str, int]) -> None:
    with pytest.raises(ValidationError) as caught:
        Auth.model_validate(table)
    assert "argon2_memory_kib = " in caught.value.errors()[0]["ctx"]["error"].instead


def test_sources_are_known_and_each_named_once() -> None:
    assert Auth(sources=("passwd-file", "accounts")).sources == ("passwd-file", "accounts")
    for sources in ([], ["ldap"], ["accounts", "accounts"], "accounts"):
        with pytest.raises(ValidationError):
            Auth.model_validate({"sources": sources})


def test_password_schemes_are_dovecots_names() -> None:
    assert PasswdFile(default_scheme="{sha512-crypt}").default_scheme == "SHA512-CRYPT"
    with pytest.raises(ValidationError):
        PasswdFile(default_scheme="a b")


def test_templates_are_checked() -> None:
    with pytest.raises(ValidationError):
        Maildir(path="/m/{domain}")
    with pytest.raises(ValidationError):
        PasswdFile(maildir="/m/same-for-all")
    assert PasswdFile(maildir="/m/{account}").maildir == "/m/{account}"


def test_unique_id_formats_stay_printable() -> None:
    """RFC 1939 §7: a unique-id is of printable ASCII."""
    for text in ("", "a b", "ü", "a\n"):
        with pytest.raises(ValidationError):
            Maildir(dovecot_format=text)


def test_mechanisms_are_known_and_each_named_once() -> None:
    assert Auth().mechanisms == ("PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "EXTERNAL")
    assert Auth.model_validate({"mechanisms": []}).mechanisms == ()
    for names in (["plain"], ["SCRAM-SHA-1"], ["PLAIN", "PLAIN"], "PLAIN"):
        with pytest.raises(ValidationError):
            Auth.model_validate({"mechanisms": names})
