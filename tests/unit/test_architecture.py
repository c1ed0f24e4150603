"""The house rules, asked of the source itself: walls and floors, sizes, and words in every module."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = sorted([*ROOT.glob("bot/**/*.py"), *ROOT.glob("handlers/*.py")])
TESTS = sorted(ROOT.glob("tests/**/*.py"))
_PLACEHOLDERS = ("TO" + "DO", "FIX" + "ME", "X" * 3)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


@functools.cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def _functions(file: Path) -> Iterator[Function]:
    for node in ast.walk(_tree(file)):
        if isinstance(node, Function):
            yield node


def _code_lines(file: Path) -> int:
    """Lines that hold code: no blank lines, comments or docstrings."""
    prose = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    with file.open("rb") as source:
        tokens = [token for token in tokenize.tokenize(source.readline) if token.type not in prose]
    lines = {n for t in tokens[1:-1] for n in range(t.start[0], t.end[0] + 1)}
    for node in ast.walk(_tree(file)):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def test_imports_keep_the_floors_and_walls() -> None:
    """Every contract of import-linter holds."""
    program = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout


def test_modules_are_short() -> None:
    """No module of the product has more than three hundred lines."""
    sizes = {_name(file): len(file.read_text().splitlines()) for file in PRODUCT}
    assert {name: size for name, size in sizes.items() if size > 300} == {}


def test_functions_are_short() -> None:
    """No function of the product has more than sixty lines or more than five parameters beside `self`."""
    too_long = {}
    for file in PRODUCT:
        for function in _functions(file):
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            given = function.args
            names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
            parameters = len([name for name in names if name not in ("self", "cls")])
            if lines > 60 or parameters > 5:
                too_long[f"{_name(file)}:{function.name}"] = (lines, parameters)
    assert too_long == {}


def test_handlers_are_thin() -> None:
    """A handler has at most eighty lines of code, blank lines, comments and docstrings not counted."""
    sizes = {_name(file): _code_lines(file) for file in ROOT.glob("handlers/*.py")}
    assert {name: size for name, size in sizes.items() if size > 80} == {}


@pytest.mark.parametrize("files", [PRODUCT, TESTS], ids=["product", "tests"])
def test_every_module_says_what_it_is_for(files: list[Path]) -> None:
    """Each module that holds anything opens with a docstring."""
    silent = [_name(file) for file in files if file.read_text() and not ast.get_docstring(_tree(file))]
    assert silent == []


def test_what_is_public_says_what_it_does() -> None:
    """Public functions, classes and methods of the product have docstrings."""
    silent = []
    for file in PRODUCT:
        tree = _tree(file)
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name[0] != "_"]
        for holder in (tree, *classes):
            for node in holder.body:
                is_public = isinstance(node, Function | ast.ClassDef) and node.name[0] != "_"
                if is_public and any(ast.unparse(d).endswith(".setter") for d in node.decorator_list):  # type: ignore[attr-defined]
                    continue  # its property has the words
                if is_public and not ast.get_docstring(node):  # type: ignore[arg-type]
                    silent.append(f"{_name(file)}:{node.name}")  # type: ignore[attr-defined]
    assert silent == []


def test_every_test_states_the_behaviour() -> None:
    """Each test function has a docstring of at least a few words."""
    silent = [
        f"{_name(file)}:{function.name}"
        for file in TESTS
        if file.name.startswith("test_")
        for function in _functions(file)
        if function.name.startswith("test_") and len((ast.get_docstring(function) or "").split()) < 4
    ]
    assert silent == []


def test_nothing_is_left_for_later() -> None:
    """No placeholder is left in the product, its tests or its deployment files."""
    files = [*PRODUCT, *TESTS, *ROOT.glob("deploy/*"), *ROOT.glob("bot/**/*.js"), ROOT / "Makefile"]
    left = [_name(f) for f in files if f.is_file() and any(word in f.read_text() for word in _PLACEHOLDERS)]
    assert left == []


def test_errors_are_caught_by_name() -> None:
    """Bare `except` and `except Exception` stand only where everything unforeseen must be turned into words."""
    found = set()
    for file in PRODUCT:
        for node in ast.walk(_tree(file)):
            if isinstance(node, ast.ExceptHandler):
                caught = "" if node.type is None else ast.unparse(node.type)
                if caught in ("", "Exception"):
                    found.add(_name(file))
    assert found <= {"bot/dispatch.py", "bot/undo.py"}


def test_nobody_sleeps() -> None:
    """Neither product nor tests wait by sleeping: they wait for an event, with a deadline."""
    sleepers = {
        _name(file)
        for file in (*PRODUCT, *TESTS)
        for node in ast.walk(_tree(file))
        if isinstance(node, ast.Call) and _is_sleep(node.func)
    }
    assert sleepers == set()


def _is_sleep(called: ast.expr) -> bool:
    if isinstance(called, ast.Attribute):
        return called.attr == "sleep" and isinstance(called.value, ast.Name) and called.value.id == "time"
    return isinstance(called, ast.Name) and called.id == "sleep"
