"""What the logic asks of the world never shows what it carries."""

from pillarbox.client.wants import Send


def test_what_is_sent_does_not_show() -> None:
    assert "secret" not in repr(Send(b"PASS secret\r\n", 1.0))
