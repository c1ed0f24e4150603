"""Forms are made from declarations: every command has one that Slack takes, and it writes the line that was meant."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.models.views import View as SlackView

import handlers
from bot.command import Command, Parameter, Takes, arg, parameters, parse
from bot.commandline import split
from bot.kinds import Assignment, Count, Day, Text, VolumeName
from bot.model import Place, Reply, Right
from bot.playground import blockkit
from bot.playground.forms import state_values
from bot.slack.fields import FILL, NOT_SET, block_id_of
from bot.slack.filled import words_of, written, wrong_in
from bot.slack.forms import Opened, View, chooser, command_form, notice
from tests.support.effort import examples

COMMANDS = handlers.load()
HERE = Opened(
    place=Place(
        channel="C0OPS",
        user="U0ANN",
        thread_ts="1.2",
        response_url="https://hooks.slack.test/1",
        files=("F0000001",),
    )
)
_FRAME = 20_480
"""Slack's server takes no larger frame, and a form may travel in an ack."""


def refuse_wrong(view: View) -> None:
    """Both validators must be content with the form, and a frame must hold it."""
    assert blockkit.view_problems(view) == []
    SlackView(**view).validate_json()
    names = [
        (block["block_id"], block["element"]["action_id"]) for block in view["blocks"] if "element" in block
    ]
    assert len({name for name, _ in names}) == len({action for _, action in names}) == len(names)
    assert len(json.dumps(view)) < _FRAME - 500


@pytest.mark.parametrize("name", sorted(COMMANDS))
@pytest.mark.parametrize("hosts", [1, 2])
def test_every_command_has_a_form(name: str, hosts: int) -> None:
    """Slack's SDK and the stand-in take it, and it asks for everything that the command takes."""
    command = COMMANDS[name]
    view = command_form(command, HERE, {}, hosts=hosts)
    refuse_wrong(view)
    asked = [one.name for one in parameters(command) if block_id_of(one, view["blocks"])]
    assert asked == [one.name for one in parameters(command) if one.name.rstrip("_") != "host" or hosts > 1]
    assert Opened.from_metadata(view["private_metadata"], "U0ANN").place == HERE.place


def test_no_word_can_slip_into_anothers_place() -> None:
    """Of the words that are told by their place at most the last may be left out: a form may leave out any."""
    for command in COMMANDS.values():
        places = [one for one in parameters(command) if one.positional]
        assert all(one.required for one in places[:-1]), command.name


@pytest.mark.parametrize("length", [2, 75, 76, 150, 151, 255])
def test_a_form_takes_what_was_typed_however_long(length: int) -> None:
    """A name that is longer than an option may be is shown in a field for text."""
    given_name = VolumeName("v" * length)
    view = command_form(COMMANDS["restore"], HERE, {"into": given_name, "path": Text("p" * 2_999)}, hosts=1)
    refuse_wrong(view)
    assert given_name in json.dumps(view)


def test_the_other_forms_are_slacks_too() -> None:
    """The one that asks which command, and the one that only says something."""
    refuse_wrong(chooser(COMMANDS.values(), HERE))
    refuse_wrong(notice("A title that is longer than it may be", "<!channel> & so on" * 400))


def test_a_note_of_a_long_metadata_leaves_the_url_out() -> None:
    """Slack keeps 3,000 characters with a form: what is not needed for the answer goes first."""
    place = Place(channel="C0OPS", user="U0ANN", response_url="https://x/" + "y" * 3_000)
    kept = Opened.from_metadata(Opened(place=place, command="backup").to_metadata(), "U0ANN")
    assert (kept.command, kept.place.channel, kept.place.response_url) == ("backup", "C0OPS", None)


@dataclass(frozen=True)
class Everything:
    """One of each."""

    first: Text = arg("a word")
    second: VolumeName = arg("a volume")
    more: tuple[Text, ...] = arg("words", default=(), positional=True, takes=Takes.MANY)
    note: Text = arg("words", default=Text(""))
    as_: VolumeName | None = arg("a volume", default=None)
    mode: str | None = arg("how", default=None, choices=("none", "stop"))
    usual: str = arg("how", default="stop", choices=("stop", "none"))
    until: Day | None = arg("when", default=None)
    limit: Count = arg("how many", default=Count("20"))
    label: tuple[Assignment, ...] = arg("labels", default=(), takes=Takes.MANY)
    volumes: tuple[VolumeName, ...] = arg("volumes", default=(), takes=Takes.MANY)
    push: bool = arg("or not", default=False)
    dry_run: bool = arg("or not", default=False)


@dataclass(frozen=True)
class AWholeLine:
    """What holds a command line."""

    name: Text = arg("a word")
    line: tuple[Text, ...] = arg("the line", positional=True, default=(), takes=Takes.REST)
    wait: bool = arg("or not", default=False)


def made(arguments: type[Any]) -> Command:
    """A command that takes these."""
    return Command(
        name="try", summary="Try", right=Right.NONE, arguments=arguments, run=lambda *_: Reply(text="")
    )


TRY, LINE = made(Everything), made(AWholeLine)

WORDS = st.text(
    st.characters(exclude_characters="\0\ufffd", exclude_categories=["Cs"]), min_size=1, max_size=40
)
LINES = st.from_regex(r"[!-~]{1,12}( [!-~]{1,12})?", fullmatch=True)
NAMES = st.from_regex(VolumeName.shape, fullmatch=True).map(lambda name: name[:80])
LABELS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,20}=[!-~]{0,20}", fullmatch=True)
FILLED = st.fixed_dictionaries(
    {"first": WORDS, "second": NAMES},
    optional={
        "more": st.lists(LINES, min_size=1, max_size=3),
        "note": WORDS,
        "as_": NAMES,
        "mode": st.sampled_from(["none", "stop", NOT_SET]),
        "usual": st.sampled_from(["none", "stop"]),
        "until": st.dates().map(lambda day: f"{day:%Y-%m-%d}".zfill(10)),
        "limit": st.integers(1, 999).map(str),
        "label": st.lists(LABELS, min_size=1, max_size=3),
        "volumes": st.lists(NAMES, min_size=1, max_size=3, unique=True),
        "switches0": st.sets(st.sampled_from(["push", "dry_run"])).map(sorted),
    },
)


def submitted(command: Command, filled: dict[str, Any]) -> dict[str, Any]:
    """`view.state.values` of the command's form, filled in so: by the stand-in, as Slack sends it."""
    view = command_form(command, HERE, {}, hosts=1)
    offered = {
        name: {word: {"text": {"type": "plain_text", "text": word}, "value": word} for word in _list(value)}
        for name, value in filled.items()
    }
    kinds = {block["block_id"]: block["element"]["type"] for block in view["blocks"] if "element" in block}
    values = {
        name: "\n".join(value) if kinds[name] == "plain_text_input" and isinstance(value, list) else value
        for name, value in filled.items()
    }
    return state_values(view["blocks"], values, offered)


def _list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


@settings(max_examples=examples(80, 300), deadline=None)
@given(FILLED)
def test_what_is_filled_in_is_what_the_command_gets(filled: dict[str, Any]) -> None:
    """From the form to the line to the arguments nothing is lost, added or changed, whatever was typed."""
    words = words_of(TRY, submitted(TRY, filled))
    assert wrong_in(TRY, words) == {}
    found = parse(TRY, split(written(TRY, words))[1:])
    chosen = filled.get("switches0", [])
    mode = filled.get("mode", NOT_SET)
    assert found == Everything(
        first=Text(filled["first"]),
        second=VolumeName(filled["second"]),
        more=tuple(Text(word) for word in filled.get("more", [])),
        note=Text(filled.get("note", "")),
        as_=VolumeName(filled["as_"]) if "as_" in filled else None,
        mode=None if mode == NOT_SET else mode,
        usual=filled.get("usual", "stop"),
        until=Day(filled["until"]) if "until" in filled else None,
        limit=Count(filled.get("limit", "20")),
        label=tuple(Assignment(word) for word in filled.get("label", [])),
        volumes=tuple(VolumeName(word) for word in filled.get("volumes", [])),
        push="push" in chosen,
        dry_run="dry_run" in chosen,
    )


@settings(max_examples=examples(80, 300), deadline=None)
@given(WORDS, st.lists(WORDS, max_size=4), st.booleans())
def test_a_line_in_a_form_stays_that_line(name: str, line: list[str], wait: bool) -> None:
    """Words that look like flags, quotes and dashes in a whole command line come out as they went in."""
    words = {"name": (name,), "line": tuple(line), **({"wait": ("",)} if wait else {})}
    found = parse(LINE, split(written(LINE, words))[1:])
    assert (found.name, found.line, found.wait) == (name, tuple(line), wait)


def test_a_line_that_was_typed_is_split_as_in_chat() -> None:
    """A field for a command line takes quotes as the chat does."""
    values = submitted(LINE, {"name": "nightly", "line": 'backup pgdata --note "before noon"'})
    assert words_of(LINE, values)["line"] == ("backup", "pgdata", "--note", "before noon")


def test_all_that_is_wrong_is_said_at_once() -> None:
    """Each field that cannot be taken has its own sentence, without the usage line."""
    filled = {"first": "a", "second": "-odd-", "label": ["nonsense"], "limit": "0"}
    wrong = wrong_in(TRY, words_of(TRY, submitted(TRY, filled)))
    assert set(wrong) == {"second", "label", "limit"}
    assert not any("Usage:" in sentence for sentence in wrong.values())


def test_fields_ask_in_the_way_that_fits() -> None:
    """Names are chosen from what there is, choices and days and numbers have inputs of their own."""
    view = command_form(TRY, HERE, {}, hosts=1)
    kinds = {block["block_id"]: block["element"]["type"] for block in view["blocks"] if "element" in block}
    assert kinds == {
        "first": "plain_text_input",
        "second": "external_select",
        "more": "plain_text_input",
        "note": "plain_text_input",
        "as_": "external_select",
        "mode": "static_select",
        "usual": "static_select",
        "until": "datepicker",
        "limit": "number_input",
        "label": "plain_text_input",
        "volumes": "multi_external_select",
        "switches0": "checkboxes",
    }
    actions = [block["element"]["action_id"] for block in view["blocks"] if "element" in block]
    assert all(action.startswith(f"{FILL}:try:") for action in actions)
    required: list[Parameter] = [one for one in parameters(TRY) if one.required]
    assert [block["block_id"] for block in view["blocks"][1:3]] == [one.name for one in required]
