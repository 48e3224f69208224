"""The design as tests: layers, cycles, sizes, mirror, exports, and words that do not belong in the repository."""

import ast
import importlib
import pkgutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import pillarbox

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "pillarbox"
FILES = sorted(SOURCE.rglob("*.py"))

LAYERS = {
    "wire": 1,
    "sasl": 1,
    "events": 1,
    "config": 1,
    "files": 1,
    "maildrop": 2,
    "auth": 2,
    "watch": 2,
    "session": 3,
    "server": 4,
    "client": 4,
    "fetch": 5,
    "archive": 5,
    "lab": 6,
    "wiring": 7,
    "testing": 8,
    "cli": 9,
}

# What may be imported within a layer: a SASL claim carries a Secret, and the fetcher delivers into the archive, too.
WITHIN_LAYER = {("sasl", "events"), ("fetch", "archive")}

STANDARD_LIBRARY_ONLY = {"wire", "sasl", "files"}

LINES = 400


def part(path: Path) -> str:
    """The package directly below `pillarbox` that a file belongs to; "" for the root package itself."""
    relative = path.relative_to(SOURCE)
    name = relative.parts[0] if len(relative.parts) > 1 else relative.stem
    return "" if name == "__init__" else name


def imports(path: Path) -> Iterator[str]:
    """The absolute names of all modules a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            yield node.module


def own_parts(path: Path) -> Iterator[str]:
    for module in imports(path):
        names = module.split(".")
        if names[0] == "pillarbox" and len(names) > 1:
            yield names[1]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_imports_only_from_lower_layers(path: Path) -> None:
    here = part(path)
    if not here:
        return
    for other in own_parts(path):
        if other == here or (here, other) in WITHIN_LAYER:
            continue
        assert LAYERS[other] < LAYERS[here], f"{here} (layer {LAYERS[here]}) imports {other} (layer {LAYERS[other]})"


@pytest.mark.parametrize("path", [path for path in FILES if part(path) in STANDARD_LIBRARY_ONLY], ids=str)
def test_the_core_needs_only_the_standard_library(path: Path) -> None:
    import sys

    for module in imports(path):
        top = module.split(".")[0]
        assert top == "pillarbox" or top in sys.stdlib_module_names, module


def test_modules_do_not_import_each_other_in_circles() -> None:
    graph: dict[str, set[str]] = {}
    for path in FILES:
        name = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
        tree = ast.parse(path.read_text())
        guarded = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for inner in ast.walk(node)
        }
        graph[name] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and id(node) not in guarded and node.module:
                graph[name].add(node.module)
                graph[name] |= {f"{node.module}.{alias.name}" for alias in node.names}
    graph = {name: {other for other in others if other in graph and other != name} for name, others in graph.items()}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join((*above, name))
        if name not in done:
            for other in graph[name]:
                # A package's __init__ gathers its modules; a module that imports a sibling imports the package first.
                if not name.startswith(f"{other}."):
                    visit(other, (*above, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_is_short_and_says_what_it_is_for(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= LINES
    assert ast.get_docstring(ast.parse(text)), "no docstring"


# Protocols and plain data without behaviour are proved by those who use them.
WITHOUT_OWN_TEST = {
    "__init__.py",
    "auth/attempt.py",
    "cli/__main__.py",
    "fetch/destination.py",
    "fetch/tools.py",
    "fetch/verdict.py",
    "maildrop/errors.py",
    "maildrop/maildrop.py",
    "session/context.py",
    "wire/errors.py",
    "wire/limits.py",
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_tests_mirror_the_source(path: Path) -> None:
    relative = path.relative_to(SOURCE)
    if relative.name == "__init__.py" or str(relative) in WITHOUT_OWN_TEST:
        return
    mirror = ROOT / "tests" / relative.parent / f"test_{relative.name}"
    assert mirror.exists(), f"{mirror.relative_to(ROOT)} is missing"


def test_exports_exist_and_are_documented() -> None:
    for info in pkgutil.walk_packages(pillarbox.__path__, "pillarbox."):
        if info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        for name in getattr(module, "__all__", ()):
            assert hasattr(module, name), f"{info.name}.{name}"


def test_type_checkers_see_the_same_public_names_as_python() -> None:
    tree = ast.parse((SOURCE / "__init__.py").read_text())
    (guarded,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        (alias.name, node.module) for node in guarded.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert seen == set(pillarbox._HOME_OF.items())


def test_the_package_is_typed() -> None:
    assert (SOURCE / "py.typed").exists()


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def test_no_package_index_is_named_anywhere() -> None:
    hosts = [b"pypi" + b".org", b"pythonhosted" + b".org", b"npmjs" + b".org", b"npmjs" + b".com"]
    for path in tracked():
        data = path.read_bytes()
        assert not any(host in data for host in hosts), path
    for path in (ROOT / "requirements").glob("*.txt"):
        assert "--index" not in path.read_text()
        assert "://" not in path.read_text()


def test_nothing_unfinished_is_marked_in_the_source() -> None:
    for path in FILES:
        for mark in ("TO" + "DO", "FIX" + "ME", "XX" + "X", "NotImplemented" + "Error"):
            assert mark not in path.read_text(), path
