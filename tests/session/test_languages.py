"""RFC 6856 §3: LANG, and a translation for every text that a session says."""

from __future__ import annotations

import ast
import inspect
import string
from types import ModuleType

import pytest
from tests.session.talk import World

from pillarbox.session import capa, exchange, languages, login, mail, session
from pillarbox.session.languages import LANGUAGES, matching, translate
from pillarbox.wire import grammar, peer, states

# What programs read stays as it is: "3 120" (STAT, LIST n), "1 id" (UIDL n), "120 octets" (RETR).
MACHINE_READ = {"{} {}", "{} octets"}
# Said inside an exchange, where the session answers with one fixed text for every cause.
NOT_SENT = {"response too long"}


class Texts(ast.NodeVisitor):
    """Collects the texts of all replies that a module makes; a text it cannot resolve is an error."""

    def __init__(self, module: ModuleType) -> None:
        self.found: set[str] = set()
        self.constants: dict[str, ast.expr] = {}
        self.module = module
        tree = ast.parse(inspect.getsource(module))
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.constants[node.targets[0].id] = node.value
        self.visit(tree)

    def visit_Call(self, node: ast.Call) -> None:
        """`Reply(ok, text, …)`, `BadCommand(text)`, `Malformed(text, …)`."""
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        position = {"Reply": 1, "BadCommand": 0, "Malformed": 0}.get(name)
        if position is not None:
            self.resolve(node.args[position])
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """`illegal_text` returns texts."""
        if node.name == "illegal_text":
            for inner in ast.walk(node):
                if isinstance(inner, ast.Return) and inner.value is not None:
                    self.resolve(inner.value)
        self.generic_visit(node)

    def resolve(self, value: ast.expr) -> None:
        """Find the texts an expression stands for."""
        match value:
            case ast.Constant(value=str(text)):
                self.found.add(text)
            case ast.JoinedStr(values=values):
                self.found.add("".join(str(v.value) if isinstance(v, ast.Constant) else "{}" for v in values))
            case ast.Name(id=name) if name in self.constants:
                self.resolve(self.constants[name])
            case ast.Subscript(value=ast.Name(id=name)) if isinstance(self.constants.get(name), ast.Dict):
                table = self.constants[name]
                assert isinstance(table, ast.Dict)
                for entry in table.values:
                    self.resolve(entry)
            case ast.Attribute(value=ast.Name(id="line"), attr="text"):
                pass  # the grammar's text, collected there
            case ast.Call(func=ast.Name(id="str" | "illegal_text")):
                pass  # a BadCommand's, or the table's: collected there
            case _:
                raise AssertionError(f"{self.module.__name__}:{value.lineno}: {ast.unparse(value)} is no known text")


def all_texts() -> list[str]:
    found: set[str] = set()
    for module in (session, login, exchange, mail, capa, grammar, peer, states):
        found |= Texts(module).found
    return sorted(found - MACHINE_READ - NOT_SENT)


def fields(text: str) -> int:
    return sum(name is not None for _, name, _, _ in string.Formatter().parse(text))


def test_the_collection_finds_texts_of_every_kind() -> None:
    assert {"login failed", "unknown command", "log in first", "no such message", "{} takes no argument"} <= set(
        all_texts()
    )


@pytest.mark.parametrize("text", all_texts())
@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en", "i-default"}))
def test_every_text_has_its_translation(text: str, language: str) -> None:
    values = ("5", "7")[: fields(text)]
    said = text.format(*values)
    translated = translate(said, language)
    # French says "messages" and "octets" too.
    assert translated != said or text == "{} messages ({} octets)"
    assert all(value in translated for value in values)
    assert translated.isprintable()
    assert not translated.startswith("[")
    assert "{" not in translated


def test_no_translation_is_left_over() -> None:
    assert set(languages._TEXTS) == set(all_texts())
    assert all(fields(each) == fields(text) for text, row in languages._TEXTS.items() for each in row)


@pytest.mark.parametrize("text", ["3 120", "1 some-unique-id", "1 done", "120 octets", "1 octets", "nothing known"])
def test_what_programs_read_is_left_alone(text: str) -> None:
    for language in LANGUAGES:
        assert translate(text, language) == text


@pytest.mark.parametrize(
    ("asked", "tag"),
    [("de", "de"), ("DE", "de"), ("de-CH-1996", "de"), ("*", "en"), ("en-GB", "en"), ("i-default", "i-default"),
     ("tlh", None), ("d", None), ("", None), ("-", None), ("de_CH", None), ("i", None)],
)  # fmt: skip
def test_matching(asked: str, tag: str | None) -> None:
    """RFC 4647 §3.4."""
    assert matching(asked) == tag


def test_the_list_of_languages(world: World) -> None:
    """One line for each: the tag, a space, its name in itself."""
    status, *lines, end = world.talk().say("LANG").splitlines()
    assert status == "+OK languages follow"
    assert end == "."
    assert lines == ["en English", "de Deutsch", "fr Français", "es Español", "i-default Default language"]


def test_a_language_is_in_force_from_its_own_reply_on(world: World) -> None:
    talk = world.talk()
    assert talk.say("LANG de") == "+OK de Sprache geändert\r\n"
    assert talk.say("NOPE") == "-ERR unbekannter Befehl\r\n"
    assert talk.say("LANG tlh") == "-ERR diese Sprache ist nicht verfügbar\r\n"
    assert talk.say("USER nobody\r\nPASS x").endswith("-ERR [AUTH] Anmeldung fehlgeschlagen\r\n")
    talk.login()
    assert talk.say("STAT") == "+OK 3 80\r\n"
    assert talk.say("RETR 1").startswith("+OK 23 octets\r\n")
    assert talk.say("LANG fr-CA") == "+OK fr langue modifiée\r\n"
    assert talk.say("DELE 1") == "+OK message supprimé\r\n"
    assert talk.say("LANG i-default") == "+OK i-default language changed\r\n"
    assert talk.say("NOOP") == "+OK done\r\n"


def test_the_default_names_the_language_it_selects(world: World) -> None:
    """RFC 6856 §3: the reply to `LANG *` holds the exact tag."""
    talk = world.talk()
    talk.say("LANG es")
    assert talk.say("LANG *") == "+OK en language changed\r\n"
    assert talk.say("NOPE") == "-ERR unknown command\r\n"


def test_tls_forgets_the_language(world: World) -> None:
    """RFC 2595 §4."""
    talk = world.talk(tls="")
    talk.session.language = "de"
    talk.session.secured(talk.session.origin, {})
    assert talk.session.language == ""
