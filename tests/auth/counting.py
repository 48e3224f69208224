"""A hasher that counts what was paid for."""

from __future__ import annotations

from pillarbox.auth.passwords import Hasher


class CountingHasher(Hasher):
    """Hashes cheaply; `paid` holds each check, of somebody or of nobody."""

    def __init__(self) -> None:
        super().__init__(memory_kib=8, time_cost=1)
        self.paid: list[str] = []

    def verify(self, stored: str, password: bytes) -> bool:
        self.paid.append("verify")
        return super().verify(stored, password)

    def verify_nobody(self) -> bool:
        self.paid.append("nobody")
        return super().verify_nobody()
