"""P60: what mechanisms exchange does not show itself."""

from pillarbox.events import Secret
from pillarbox.sasl import Asks, Challenged, Claim, Claimed, Password


def test_nothing_that_may_be_a_secret_prints() -> None:
    assert "sesame" not in repr(Challenged(b"sesame"))
    assert "sesame" not in repr(Claimed(Claim("ada", "", Password(Secret("sesame")))))
    assert "then" not in repr(Asks("ada", lambda salt, iterations: Challenged(salt)))
