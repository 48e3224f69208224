"""The errors: one base, and a place in a query."""

from pillarbox.archive import errors


def test_all_have_one_base_and_a_query_error_knows_its_place() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert all(issubclass(kind, errors.ArchiveError) for kind in kinds)
    assert errors.QueryError("no").position == -1
    assert errors.QueryError("no", 3).position == 3
