"""P60: proofs never print what they prove with."""

import pytest

from pillarbox.events import Secret
from pillarbox.sasl import Certificate, Digest, DigestKind, Password, Proof, Scram, Token


@pytest.mark.parametrize(
    "proof",
    [
        Password(Secret("sesame")),
        Token(Secret("sesame")),
        Scram("SCRAM-SHA-256", b"sesame", b"sesame", b"sesame", 4096),
        Digest(DigestKind.APOP, b"sesame", b"sesame"),
        Certificate(),
    ],
)
def test_a_proof_prints_without_its_secret(proof: Proof) -> None:
    assert "sesame" not in repr(proof)
    assert "sesame" not in f"{proof}"


def test_passwords_compare_by_value() -> None:
    assert Password(Secret("a")) == Password(Secret(b"a"))
    assert Password(Secret("a")) != Password(Secret("b"))
