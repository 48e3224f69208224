"""The password policy: NIST SP 800-63B-4, §3.1.1.2, point by point."""

import io
from pathlib import Path

import pytest

from pillarbox.auth.breach import BreachFilter
from pillarbox.auth.breach_build import Listing, build
from pillarbox.auth.password_policy import Context, Fault, PasswordPolicy, PolicyUnavailable, common_list
from pillarbox.config.schema_policy import PasswordPolicy as Settings

POLICY = PasswordPolicy()
NOBODY = Context()
ALICE = Context("alice.smith@rocketworks.example", words=("pop.example.net",))


def faults(password: str | bytes, context: Context = NOBODY, policy: PasswordPolicy = POLICY) -> list[Fault]:
    octets = password.encode() if isinstance(password, str) else password
    return [objection.fault for objection in policy.check(octets, context)]


# ---- length -----------------------------------------------------------------------------------------------------


def test_fifteen_characters_alone_and_eight_with_a_second_factor() -> None:
    second = Context(second_factor=True)
    assert faults("kTq7vbn2XwpLz4") == [Fault.TOO_SHORT]
    assert faults("kTq7vbn2XwpLz4m") == []
    assert faults("kTq7vbn", second) == [Fault.TOO_SHORT]
    assert faults("kTq7vbn2", second) == []


def test_characters_are_code_points_after_nfc() -> None:
    """Two code points that NFC makes one are one; an emoji of four octets is one."""
    assert faults("z\u0308" * 7 + "abcdefgh") == []  # no composed form: 22 code points
    seven, eight = "kt\u00f6bqu\u00e4", "kt\u00f6bqu\u00e4z"
    decomposed = seven.replace("\u00f6", "o\u0308").replace("\u00e4", "a\u0308")
    assert len(decomposed) == 9
    assert faults(decomposed, Context(second_factor=True)) == [Fault.TOO_SHORT]
    assert faults(eight, Context(second_factor=True)) == []
    assert faults("🜁🜂🜃🜄🜅🜆🜇", Context(second_factor=True)) == [Fault.TOO_SHORT]


def test_long_ones_are_allowed_far_beyond_sixty_four() -> None:
    word = "".join(chr(0x4E00 + 7 * number) for number in range(64))
    assert faults(word) == []
    assert faults(word * 4 + "!") == []
    assert faults(b"ab" * 512 + b"c") == [Fault.TOO_LONG]


@pytest.mark.parametrize(
    "password", ["kv zqbn plwtmxr", "kvzqbnplwtmxrsg", "              7q", "zimtschneckenüberfluss"]
)
def test_there_are_no_rules_of_composition(password: str) -> None:
    assert faults(password) == []


@pytest.mark.parametrize("password", [b"", b"nul\0nul\0nul\0nul\0", b"line\nline line line", b"line\rline line line"])
def test_what_pop3_cannot_carry_has_one_objection(password: bytes) -> None:
    assert len(faults(password)) == 1


def test_octets_that_are_not_utf8_count_one_each() -> None:
    assert faults(b"\xff\xe4\xf6kTq7vbn2XwpL") == []
    assert faults(b"\xff\xe4\xf6kTq7vbn2Xwp") == [Fault.TOO_SHORT]


# ---- known ones -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("password", ["1q2w3e4r", "Mustang1", "PASSWORD", "pAsSwOrD", "responsibility"])
def test_common_ones_are_refused_in_any_case(password: str) -> None:
    assert Fault.COMMON in faults(password, Context(second_factor=True))


def test_only_the_whole_password_is_compared() -> None:
    assert Fault.COMMON not in faults("mustang purple elevator cloud")


def test_the_common_list_has_tens_of_thousands() -> None:
    assert len(common_list()) > 50_000
    assert "123456789" in common_list()


@pytest.mark.parametrize("password", ["a" * 20, "ab" * 10, "mustangmustang" * 2, "123456" * 4])
def test_one_thing_repeated_is_refused(password: str) -> None:
    assert Fault.REPEATED in faults(password)


def test_the_common_list_can_be_off() -> None:
    assert faults("responsibility1", policy=PasswordPolicy(common=False)) == []
    assert faults("mustangmustangmustang", policy=PasswordPolicy(common=False)) == []


def filter_of(path: Path, *passwords: bytes) -> BreachFilter:
    build(path, [Listing("list", io.BytesIO(b"\n".join(passwords)), plain=True)], bits=24)
    return BreachFilter(path)


def test_breached_ones_are_refused(tmp_path: Path) -> None:
    policy = PasswordPolicy(breached=filter_of(tmp_path / "f", b"kTq7vbn2XwpLz4m"))
    assert faults("kTq7vbn2XwpLz4m", policy=policy) == [Fault.BREACHED]
    assert faults("KTq7vbn2XwpLz4m", policy=policy) == []


def test_a_damaged_filter_is_an_error_and_not_a_yes(tmp_path: Path) -> None:
    filter_of(tmp_path / "f", b"kTq7vbn2XwpLz4m").close()
    data = bytearray((tmp_path / "f").read_bytes())
    data[96:112] = b"\xff" * 16  # the directory
    (tmp_path / "f").write_bytes(data)
    policy = PasswordPolicy(breached=BreachFilter(tmp_path / "f"))
    with pytest.raises(PolicyUnavailable, match="build it again"):
        policy.check(b"kTq7vbn2XwpLz4m")


# ---- context ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "password",
    [
        "alice.smith@rocketworks.example",
        "AliceSmith-2024!",
        "rocketworks1234",
        "pop.example.net",
        "Pillarbox-Pillarbox-1",
        "alice alice alice 99",
    ],
)
def test_little_more_than_known_names_is_refused(password: str) -> None:
    assert Fault.CONTEXT in faults(password, ALICE)


@pytest.mark.parametrize("password", ["alice eats purple turnips", "smithereens of kzqvw blue"])
def test_known_names_among_other_words_are_fine(password: str) -> None:
    assert faults(password, ALICE) == []


def test_names_count_in_any_case_and_any_unicode_form() -> None:
    context = Context("jo\u0308rgensen@b\u00fccher.example")
    assert Fault.CONTEXT in faults("J\u00f6rgensenB\u00dcCHER12", context)


def test_a_name_inside_a_longer_name_does_not_break_it_up() -> None:
    policy = PasswordPolicy(words=("rocket",))
    assert faults("rocketworks and rocketworks", ALICE, policy) == [Fault.CONTEXT]


def test_configured_words_count() -> None:
    assert faults("zeppelinfabrik 77") == []
    assert faults("zeppelinfabrik 77", policy=PasswordPolicy(words=("zeppelinfabrik",))) == [Fault.CONTEXT]


# ---- texts and advice -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("password", ["alice", "hunter2", "mustang", "rocketworks1234", "a" * 30])
def test_every_objection_says_what_to_do_and_nothing_of_the_password(password: str) -> None:
    """P60: a text may go into a log."""
    for objection in POLICY.check(password.encode(), ALICE):
        assert any(verb in objection.text for verb in ("choose", "add"))
        assert password not in objection.text
        for name in ("alice", "smith", "rocketworks", "hunter", "mustang"):
            assert name not in objection.text


def test_a_low_estimate_is_advice_and_never_an_objection() -> None:
    password = b"qwertyuiopasdfgh"
    assert POLICY.check(password) == []
    advice = POLICY.advise(password)
    assert advice.score < 3
    assert advice.sentences
    assert POLICY.advise(b"correct horse battery staple").sentences == ()


def test_advice_knows_the_account_and_leaves_nothing_behind() -> None:
    from zxcvbn.matching import RANKED_DICTIONARIES

    assert POLICY.advise(b"rocketworks12", ALICE).score < POLICY.advise(b"rocketworks12").score
    assert not RANKED_DICTIONARIES["user_inputs"]


def test_advice_takes_any_octets_and_any_length() -> None:
    for password in (b"\xff\xfe\x01", b"x" * 1024, "🜁".encode() * 30):
        assert 0 <= POLICY.advise(password).score <= 4


# ---- settings ---------------------------------------------------------------------------------------------------


def test_a_policy_follows_its_settings(tmp_path: Path) -> None:
    filter_of(tmp_path / "f", b"kTq7vbn2XwpLz4m").close()
    settings = Settings(min_characters=20, breach_filter=tmp_path / "f", context_words=("zeppelin",), common_list=False)
    policy = PasswordPolicy.of(settings, "pop.example.net")
    assert faults("kTq7vbn2XwpLz4m", policy=policy) == [Fault.TOO_SHORT, Fault.BREACHED]
    assert faults("zeppelin pop.example.net", policy=policy) == [Fault.CONTEXT]


def test_a_missing_filter_is_said_when_the_policy_is_made(tmp_path: Path) -> None:
    with pytest.raises(PolicyUnavailable, match="No such file"):
        PasswordPolicy.of(Settings(breach_filter=tmp_path / "none"))
