"""The catalogue: no sentence for people lives outside it, and every one in it is translated."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import handlers
from bot import words
from bot.command import parameters
from bot.labels import LABELS
from bot.language import LANGUAGES, path_of, speaking

ROOT = Path(__file__).parents[2]
_ELSEWHERE = (
    "bot/playground",
    "bot/demo",
    "bot/environment.py",
    "bot/sections",
    "bot/settings.py",
    "bot/stores/migrations",
)
"""The stand-in and the demo are not the bot. Settings are read before anybody is known, by whoever wrote them."""

ROOMS = sorted(
    file
    for file in [*ROOT.glob("bot/**/*.py"), *ROOT.glob("handlers/*.py")]
    if not str(file.relative_to(ROOT)).startswith(_ELSEWHERE)
)
KEYWORDS = {"say": None, "later": None, "arg": None, "arg_unless": None, "say_count": (1, 2)}

_SENTENCE = re.compile(r"[A-Za-z’']+[,;:]? [a-z’']+[,;:]? [A-Za-z’`“{]|[a-z’}]+ [a-z’]{2,}[.!?]( |$)")
"""Three words in a row, or the end of a sentence."""

_FOR_MACHINES = re.compile(
    r"^\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|WITH|PRAGMA|ALTER|DROP|BEGIN|WHERE|AND|ORDER|VACUUM|LISTEN) "
    r"|[$]\(|\n *(if|fi|exec) "
)
"""SQL, and programs of shells."""

_FAULTS = "ValueError TypeError RuntimeError AssertionError KeyError LookupError NotImplementedError OSError EOFError"
_UNSAID = frozenset({*_FAULTS.split(" "), "re.compile", "Field", "text", "SettingsError"})
"""Faults of ours, patterns, SQL, and what settings say."""

_LOGGED = {
    "bot/charts/chart.py": {
        "times in UTC",
        "Size of the backups, before compression",
        "How long they took",
        "Age of the newest verified backup, with a line where its limit is",
    },
    "bot/engine/mounts.py": {"bind source path does not exist"},  # Docker's words, which are looked for
    "bot/engine/narration.py": {"Layer already exists"},
    "bot/engine/walk.py": {"-exec /bin/sh -c '{}' sh {} +"},
    "bot/statefile.py": {"state restore {}"},
    "bot/stores/leftover.py": {
        "the state was restored from an earlier time"
    },  # in the journal, which nobody is shown
    "bot/slack/delivery.py": {"no answer from Slack: {}", "telling it broke: {}"},
    "bot/slack/heads.py": {"no answer from Slack: {}"},
    "bot/syslog.py": {"the server hung up"},
    "bot/slack/home.py": {"no answer from Slack: {}"},
    "bot/slack/homepictures.py": {"no answer from Slack: {}", "the bot ends"},
    "bot/slack/opening.py": {"no answer from Slack: {}", "it waited too long"},
    "bot/slack/uploading.py": {"no answer from Slack: {}", "sending it broke: {}"},
}
"""What a function only logs, what is no sentence of ours, and a picture for all, whose font has no Hangul."""

_ALIKE = (
    "bot/metrics/gathering.py",
    "bot/slack/manifest.py",
    "bot/slack/shortcuts.py",
    "bot/web/exposition.py",
)
"""What Slack keeps when the app is installed, and Prometheus at a scrape, and both show to everybody alike."""


@cache
def said() -> frozenset[str | tuple[str, ...]]:
    """Every sentence of the code, as Babel finds it."""
    method = [("**.py", "python")]
    return frozenset(
        message
        for room in ("bot", "handlers")
        for _, _, message, _, _ in extract_from_dir(ROOT / room, method, keywords=KEYWORDS)
    )


@cache
def written(language: str) -> Catalog:
    """The translations into a language."""
    with path_of(language).open("rb") as file:
        return read_po(file, locale=language)


def _foreign() -> Iterator[tuple[str, Message]]:
    for language in LANGUAGES[1:]:
        for message in written(language):
            if message.id:
                yield language, message


def test_the_code_was_read() -> None:
    """There are as many sentences as a product of this size has."""
    assert len(said()) > 1_000


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_the_catalogue_is_what_the_code_says(language: str) -> None:
    """deploy/catalogue.sh brings it up to date: no sentence is missing, and none is left over."""
    ids = {message.id for message in written(language) if message.id}
    assert (said() - ids, ids - said()) == (set(), set())


def test_every_sentence_is_translated() -> None:
    """None is empty, and none is a guess."""
    assert [one.id for _, one in _foreign() if one.fuzzy or not all(_all(one.string))] == []


def _all(text: object) -> tuple[str, ...]:
    return tuple(map(str, text)) if isinstance(text, tuple | list) else (str(text),)


def _names(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_translations_hold_the_same_values_and_code() -> None:
    """A `{name}` too many would break the answer, one too few hide something; commands are typed in English."""
    wrong = []
    for _, message in _foreign():
        english = _all(message.id)[-1]
        for translated in _all(message.string):
            if "python-brace-format" in message.flags and _names(translated) != _names(english):
                wrong.append((english, translated, "values"))
            codes = [sorted(re.findall("`[^`]*`", text)) for text in (english, translated)]
            if codes[0] != codes[1]:
                wrong.append((english, translated, "code"))
    assert wrong == []


def test_translations_are_translations() -> None:
    """No sentence is the same in both languages."""
    same = [str(one.id) for _, one in _foreign() if one.string == one.id]
    assert [one for one in same if _SENTENCE.search(one)] == []


def _outside(tree: ast.AST) -> list[str]:
    """Sentences that are no argument of `say` and its like, nor a docstring."""
    return list(_unsaid(tree, ""))


def _unsaid(node: ast.AST, call: str) -> Iterator[str]:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.keyword) and node.arg == "examples":
        return  # command lines
    if isinstance(node, ast.Constant | ast.JoinedStr):
        text = _text(node)
        if _SENTENCE.search(text) and not _FOR_MACHINES.search(text) and not _is_for_us(call):
            yield text
    if isinstance(node, ast.Call):
        called = ast.unparse(node.func)
        is_said = called.rpartition(".")[2] in KEYWORDS
        for value in [*node.args, *node.keywords]:
            if not (is_said and isinstance(value, ast.Constant)):
                yield from _unsaid(value, "" if is_said else called)
        yield from _unsaid(node.func, "")
        return
    for child in ast.iter_child_nodes(node):
        if not (isinstance(node, ast.JoinedStr) and isinstance(child, ast.Constant)):
            yield from _unsaid(child, "" if isinstance(node, ast.stmt) else call)


def _text(node: ast.Constant | ast.JoinedStr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(one.value) if isinstance(one, ast.Constant) else "{}" for one in node.values)
    return node.value if isinstance(node.value, str) else ""


def _is_for_us(call: str) -> bool:
    return (
        call in _UNSAID
        or call.startswith("_log.")
        or call.endswith(("scratch.run", "scratch.row", "scratch.rows", "scratch.fill"))
    )


@pytest.mark.parametrize("file", ROOMS, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_no_sentence_lives_outside(file: Path) -> None:
    """What people read is said through the catalogue; what is logged, parsed or sent to machines is not."""
    name = file.relative_to(ROOT).as_posix()
    logged = _LOGGED.get(name, set())
    if name not in _ALIKE:
        assert [one for one in _outside(ast.parse(file.read_text())) if one not in logged] == []


@pytest.mark.parametrize(
    "code",
    [
        """raise NotFound("There is no such thing.")""",
        """raise NotFound(f"There is no {thing} here. Nothing was changed.")""",
        """Reply(text="It is " + "all done now", facts={})""",
        """parts.append("with all of its volumes")""",
        """x = {1: "was changed by somebody"}""",
        """say("{why}", why=f"because it is {so} and so")""",
    ],
)
def test_a_sentence_outside_would_be_found(code: str) -> None:
    """In plain strings, in f-strings, in parts of either, in other calls."""
    assert _outside(ast.parse(code)) != []


@pytest.mark.parametrize(
    "code",
    [
        """raise NotFound(say("There is no such thing."))""",
        """_log.warning("this goes to the log: %s", error)""",
        """raise ValueError("a fault of our own making")""",
        """def f():\n    'A docstring of three words.'""",
        """run("SELECT name FROM things WHERE x")""",
        """line = f"backup {volume} --quiesce stop" """,
    ],
)
def test_what_is_not_for_people_is_let_be(code: str) -> None:
    """What is said, logged, a fault of ours, a docstring, SQL, a command line."""
    assert _outside(ast.parse(code)) == []


_FACTS = ("dict[str, Value]", "Mapping[str, Value]")


def _columns_and_facts(tree: ast.AST) -> Iterator[str]:
    """Names of table columns and of facts that are written out in the code."""
    for node in ast.walk(tree):
        roots: list[ast.AST] = []
        if (isinstance(node, ast.keyword) and node.arg in ("facts", "columns")) or (
            isinstance(node, ast.AnnAssign) and node.value and "str, Value]" in ast.unparse(node.annotation)
        ):
            roots = [node.value]
        elif (
            isinstance(node, ast.FunctionDef) and node.returns and "str, Value]" in ast.unparse(node.returns)
        ):
            roots = [one.value for one in ast.walk(node) if isinstance(one, ast.Return) and one.value]
        elif isinstance(node, ast.Assign) and "_COLUMNS" in ast.unparse(node.targets[0]):
            roots = [node.value]
        for root in roots:
            yield from _named_in(root)


def _named_in(root: ast.AST) -> Iterator[str]:
    if isinstance(root, ast.Tuple):
        yield from (str(one.value) for one in root.elts if isinstance(one, ast.Constant))
    for one in ast.walk(root):
        if isinstance(one, ast.Dict):
            yield from (str(key.value) for key in one.keys if isinstance(key, ast.Constant))


def test_every_name_has_a_heading() -> None:
    """Facts, columns and the fields of forms are headed by their names, in words that are in the catalogue."""
    told = [text for file in ROOMS if re.search(r"\b(Table|Reply|Value)\b", text := file.read_text())]
    names = {name for text in told for name in _columns_and_facts(ast.parse(text))}
    fields = {one.name.rstrip("_") for command in handlers.load().values() for one in parameters(command)}
    assert len(names) > 60
    with speaking("en"):
        assert {words.label(name) for name in names | fields} - set(LABELS) == set()


def test_no_heading_is_left_over() -> None:
    """Each is of a name that the code still has somewhere."""
    known = {
        word for file in ROOMS if file.name != "labels.py" for word in re.findall(r"\w+", file.read_text())
    }
    endings = ("", "_bytes", "_seconds", "_at", "_")
    names = {
        heading: {heading.lower().replace(" ", "_") + ending for ending in endings} for heading in LABELS
    }
    assert [heading for heading, written_as in names.items() if not known & written_as] == []
