import pytest

from pillarbox.config.problem import Wrong
from pillarbox.config.template import MAILDIR_PLACEHOLDERS, PASSWD_FILE_PLACEHOLDERS, check

NEEDED = ("user", "account")


@pytest.mark.parametrize("template", ["/m/{domain}/{user}", "/m/{account}", "/m/{user}/{user}"])
def test_good_templates(template: str) -> None:
    assert check(template, MAILDIR_PLACEHOLDERS, NEEDED) == template


@pytest.mark.parametrize(
    ("template", "word"),
    [
        ("/m/{usr}", "{usr}"),
        ("/m/{user", "brace"),
        ("/m/{user}}", "brace"),
        ("/m/{user!r}", "brace"),
        ("/m/{user:>9}", "brace"),
        ("/m/{}", "brace"),
        ("/m/{0}", "brace"),
        ("m/{user}", "absolute"),
        ("{user}/x", "absolute"),
        ("~/{user}", "absolute"),
        ("/m/../{user}", '".."'),
        ("/m\0/{user}", "NUL"),
        ("/m/{domain}", "same maildir"),
        ("/m/{home}/{user}", "{home}"),
    ],
)
def test_bad_templates_are_refused_with_a_reason(template: str, word: str) -> None:
    with pytest.raises(Wrong) as caught:
        check(template, MAILDIR_PLACEHOLDERS, NEEDED)
    assert word in caught.value.what
    assert caught.value.instead


def test_an_unknown_placeholder_names_those_that_exist() -> None:
    with pytest.raises(Wrong) as caught:
        check("/m/{usr}", MAILDIR_PLACEHOLDERS, NEEDED)
    assert caught.value.instead == "use {user}, {domain}, {account}"


def test_home_may_begin_a_template_only_where_it_is_known() -> None:
    assert check("{home}/Maildir", PASSWD_FILE_PLACEHOLDERS, ("home",)) == "{home}/Maildir"
