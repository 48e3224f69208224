"""How much memory a process and its children hold. Linux only, as the server is."""

from __future__ import annotations

from pathlib import Path


def resident(pid: int) -> int:
    """Octets of memory that a process and all below it hold for themselves alone; 0 for what has ended.."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return 0
    own = sum(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon:"))
    return own + sum(resident(int(child)) for child in children.split())


def alive(pid: int) -> bool:
    """Whether a process runs."""
    return Path(f"/proc/{pid}").exists()
