"""The password schemes of passwd-files; the oracle is Dovecot's own `doveadm pw`."""

import builtins
import shutil
import subprocess

import pytest

from pillarbox.auth.schemes import MissingLibrary, Schemes, UnusableHash

SCHEMES = Schemes()
NOT_SUPPORTED = {
    "CRAM-MD5",  # challenge-response secrets of other mechanisms, not password hashes
    "DIGEST-MD5",
    "HMAC-MD5",
    "OTP",
    "PLAIN-MD4",  # OpenSSL 3 has no MD4
    "PLAIN-TRUNC",
}
TRUNCATES_AT_8 = {"DES-CRYPT"}
PASSWORDS = ["secret", "with  spaces ", "{braces}$:", "pässwörd", "x" * 100]


def doveadm(*arguments: str) -> str:
    if shutil.which("doveadm") is None:
        pytest.skip("doveadm (Debian: dovecot-core) is not installed")
    return subprocess.run(
        ["doveadm", "pw", *arguments], capture_output=True, text=True, check=True
    ).stdout.removesuffix("\n")


@pytest.mark.peer
@pytest.mark.parametrize("suffix", ["", ".b64", ".hex"])
def test_every_scheme_that_dovecot_makes(suffix: str) -> None:
    offered = set(doveadm("-l").split())
    assert offered >= {"SHA512-CRYPT", "SHA256-CRYPT", "BLF-CRYPT", "MD5-CRYPT", "SSHA", "SSHA512", "CRYPT", "PLAIN"}
    for scheme in sorted(offered - NOT_SUPPORTED):
        # One 64 MiB argon2 hash takes as long as a hundred of the others; an encoding does not depend on the password.
        few = suffix or scheme.startswith("ARGON2")
        for password in PASSWORDS[3:4] if few else PASSWORDS:
            # Dovecot's own default of 5,000 rounds; 4 is bcrypt's cheapest.
            rounds = ["-r", "4"] if scheme == "BLF-CRYPT" else []
            stored = doveadm("-s", scheme + suffix, *rounds, "-p", password)
            octets = password.encode()
            case = f"{scheme}{suffix} {password!r}"
            assert SCHEMES.checked(stored), case
            assert SCHEMES.verify(stored, octets), case
            assert not SCHEMES.verify(stored, b"!" + octets), case
            assert not SCHEMES.verify(stored, octets.swapcase()), case
            assert not SCHEMES.verify(stored, b""), case
            # crypt(3) drops what lies behind octet 8 (DES) or 72 (bcrypt); so does Dovecot.
            if scheme not in TRUNCATES_AT_8 and len(octets) < 72:
                assert not SCHEMES.verify(stored, octets + b"!"), case
                assert not SCHEMES.verify(stored, octets[:-1]), case


@pytest.mark.peer
def test_what_dovecot_makes_and_we_do_not_take_is_refused_by_name() -> None:
    for scheme in sorted(NOT_SUPPORTED & set(doveadm("-l").split())):
        with pytest.raises(UnusableHash, match=scheme):
            SCHEMES.checked(doveadm("-s", scheme, "-u", "a@example.org", "-p", "secret"))


@pytest.mark.parametrize(
    "stored",
    [
        "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "{sha.hex}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4",
        "{SHA}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4",  # Dovecot tells hex by its length
        "{PLAIN}secret",
        "{CLEARTEXT}secret",
        "{PLAIN.b64}c2VjcmV0",
        "{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69",
        "{LDAP-MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ==",
        "{SMD5}ndGTPkRKzZIj3eJq/6jpjYjJDo4=",
        "{PBKDF2}$1$k4c3dlPeIezp3vR5$5000$36e18b77ff1ab40d1dd8c580d1731c07a890361a",
        "{DES-CRYPT}hKCmXZ7Pqmm4Y",
        "{MD5-CRYPT}$1$gvZAnWGm$4hVpm/0Y2g.yIKM1F4VaN0",
        "{BLF-CRYPT}$2y$05$6IDX9sv5wlZntpyGYO74Fev9rEaMrTjiFBQpn1Ig68GQDcm94/y8y",
        "{CRYPT}$2y$05$6IDX9sv5wlZntpyGYO74Fev9rEaMrTjiFBQpn1Ig68GQDcm94/y8y",
        "$1$gvZAnWGm$4hVpm/0Y2g.yIKM1F4VaN0",  # the default scheme is CRYPT
        "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$2DqnkEPrtvaYFLIuVwlByA$Vb3kGzz5KPzi3GRo0LFYS/tqNoywKOvUsBZq6rgOA9Q",
        "{SCRAM-SHA-1}4096,VaVAXQTnpP+2vY9QLC8N5Q==,e9f4kbZuCanBafspVwLYSJP2Nc8=,VWVZ7BBoVQdCE1QY4AARiBTLvpQ=",
    ],
)
def test_hashes_of_secret(stored: str) -> None:
    assert SCHEMES.verify(SCHEMES.checked(stored), b"secret")
    assert not SCHEMES.verify(SCHEMES.checked(stored), b"Secret")


def test_the_default_scheme_is_a_setting() -> None:
    assert Schemes("plain").verify("secret", b"secret")
    assert Schemes("SHA").checked("abc") == "{SHA}abc"
    with pytest.raises(UnusableHash, match="nonsense"):
        Schemes("nonsense")


@pytest.mark.parametrize("stored", ["{NOPE}x", "{PLAIN.zip}x", "{PLAIN", "{}x", "{hunter2 hunter2}x"])
def test_unknown_schemes_are_refused_without_repeating_secrets(stored: str) -> None:
    """P60: what stands in braces may be a mistyped password."""
    with pytest.raises(UnusableHash) as caught:
        SCHEMES.checked(stored)
    assert "hunter2" not in str(caught.value)


def test_a_form_of_crypt_that_nobody_checks_is_refused_when_the_file_is_read() -> None:
    with pytest.raises(UnusableHash, match=r"'\$y\$' is not supported"):
        SCHEMES.checked("{CRYPT}$y$j9T$salt$hash")


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "{PLAIN}",
        "{SHA}",
        "{SHA}!!!",
        "{SHA}aGVsbG8=",
        "{SSHA}",
        "{PLAIN.hex}xyz",
        "{PLAIN.b64}*",
        "{PBKDF2}$1$salt$0$00",
        "{PBKDF2}$1$salt$99999999999$00",
        "{PBKDF2}$2$salt$1$00",
        "{PBKDF2}$1$salt$1$",
        "{PBKDF2}nonsense",
        "{SCRAM-SHA-256}1,2",
        "{SCRAM-SHA-256}99999999999,AAAA,AAAA,AAAA",
        "{ARGON2ID}$argon2id$broken",
        "{BLF-CRYPT}$2y$05$short",
        "{SHA512-CRYPT}$6$only-salt",
        "{SHA512-CRYPT}$9$unknown$x",
        "{CRYPT}*",
        "{CRYPT}!",
        "{CRYPT}!!",
        "{CRYPT}x",
        "{NOPE}x",
    ],
)
@pytest.mark.parametrize("password", [b"", b"x", b"*", b"\x00", b"caf\xe9", b"a\x00b"])
def test_malformed_hashes_belong_to_nobody(stored: str, password: bytes) -> None:
    assert not SCHEMES.verify(stored, password)


def test_a_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_passlib(name: str, *arguments: object, **options: object) -> object:
        if name.startswith("passlib"):
            raise ImportError("no module", name="passlib")
        return real(name, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without_passlib)
    with pytest.raises(MissingLibrary, match=r"pip install 'pillarbox\[passwd-file\]'"):
        Schemes()
