"""P60: what mechanisms exchange does not show itself."""

from pillarbox.events import Secret
from pillarbox.sasl import Challenged, Claim, Claimed


def test_nothing_that_may_be_a_secret_prints() -> None:
    assert "sesame" not in repr(Challenged(b"sesame"))
    assert "sesame" not in repr(Claimed(Claim("ada", "", Secret("sesame")), final=None))
    assert "v=sesame" not in repr(Claimed(Claim("ada", "", Secret("x")), final=b"v=sesame"))
