import pytest
from pydantic import ValidationError

from pillarbox.config.schema_policy import PasswordPolicy


def test_defaults_are_nists() -> None:
    """NIST SP 800-63B-4 §3.1.1.2: 15 characters alone, 8 with a second factor."""
    assert PasswordPolicy() == PasswordPolicy(
        min_characters=15,
        min_characters_with_mfa=8,
        common_list=True,
        breach_filter=None,
        context_words=(),
        advice=True,
        recheck_hours=24,
    )


@pytest.mark.parametrize(
    "table",
    [
        {"min_characters": 7},
        {"min_characters": 65},  # at least 64 must be allowed, hence never demanded
        {"min_characters_with_mfa": 7},
        {"context_words": ["ab"]},
        {"context_words": "acme"},
        {"recheck_hours": -1},
        {"composition": True},
    ],
)
def test_what_cannot_be_set(table: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        PasswordPolicy.model_validate(table)


def test_a_list_from_a_file_is_taken() -> None:
    assert PasswordPolicy.model_validate({"context_words": ["acme"]}).context_words == ("acme",)
