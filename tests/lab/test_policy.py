"""Rulings: what passes, what is hidden, what is dropped."""

from __future__ import annotations

from pillarbox.lab.policy import DROP, HIDE, PASS


def test_rulings() -> None:
    assert (PASS.refused, PASS.tagged, PASS.penalty) == (False, False, 0.0)
    assert (HIDE.refused, HIDE.visible, HIDE.tagged) == (True, False, True)
    assert (DROP.refused, DROP.visible, DROP.tagged) == (True, True, True)
