"""From an exception nobody expected to the event that tells of it."""

from __future__ import annotations

import traceback

from pillarbox.events.types import InternalError


def internal_error(error: BaseException, session: str = "") -> InternalError:
    """The event of a defect: the exception's type and where it happened, innermost last.

    Never its text: that may hold what the peer sent (P60).
    """
    where = [
        f"{frame.f_code.co_filename.rpartition('/pillarbox/')[2]}:{line} {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    return InternalError(session=session, error=type(error).__name__, where=where)
