"""Command lines: what people type, in Slack's markup too, and what becomes of it or why it is refused."""

from __future__ import annotations

import contextlib
import shlex
from dataclasses import asdict, dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import handlers
from bot.command import Command, Takes, arg
from bot.commandline import LONGEST, from_slack, repair, split
from bot.errors import UsageError
from bot.kinds import Assignment, Count, Text
from bot.misuse import Misused
from bot.model import Reply, Right
from bot.parsing import find, parse
from tests.support.effort import examples


@dataclass(frozen=True)
class Arguments:
    """What the test's own `say` takes."""

    what: Text = arg("what to say")
    more: Text = arg("and what else", default=Text(""), positional=True)
    mood: str = arg("how to say it", default="calm", choices=("calm", "loud", "sad"))
    times: Count = arg("how often", default=Count("1"))
    dry_run: bool = arg("only think it", default=False)


def _run(*_: Any) -> Reply:
    raise AssertionError("this table only reads")


@dataclass(frozen=True)
class Later:
    """What the test's own `later` takes: a whole command line at its end."""

    when: Text = arg("when to do it")
    line: tuple[Text, ...] = arg("what to do", takes=Takes.REST)
    tag: tuple[Assignment, ...] = arg("a tag; may be repeated", default=(), takes=Takes.MANY)


LATER = Command(name="later", summary="Do it later", right=Right.NONE, arguments=Later, run=_run)
SAY = Command(name="say", summary="Say it", right=Right.NONE, arguments=Arguments, run=_run)
COMMANDS = {**handlers.load(), "say": SAY, "later": LATER}
SHA = "0123456789abcdef" * 4
REFERENCE = f"host:5000/team/app:1.2@sha256:{SHA}"
_DEFAULTS = asdict(Arguments(what=Text("")))


def _said(what: str, **others: Any) -> dict[str, Any]:
    return {**_DEFAULTS, "what": what, **others}


def _backup(source: str, **others: Any) -> dict[str, Any]:
    nothing = {"quiesce": None, "dump": False, "note": "", "host": None, "wait": False}
    return {"source": source, **nothing, **others}


def _restore(backup: str, **others: Any) -> dict[str, Any]:
    nothing = {
        "into": None,
        "replace": False,
        "path": "",
        "quiesce": "stop",
        "as_": None,
        "share_volumes": False,
        "dry_run": False,
    }
    return {"backup": backup, **nothing, "host": None, "wait": False, **others}


def _drill(source: str | None, **more: object) -> dict[str, object]:
    kept = {"backup": None, "oldest": False, "among": None, "host": None, "wait": False}
    return {"source": source, **kept, **more}


def _verify(backup: str | None, **more: object) -> dict[str, object]:
    return {"backup": backup, "oldest": False, "among": None, "host": None, "wait": False, **more}


def _prune(**others: Any) -> dict[str, Any]:
    nothing = {"source": None, "host": None, "dry_run": False, "despite_shrink": False, "wait": False}
    return {**nothing, **others}


UNDERSTOOD: list[tuple[str, dict[str, Any]]] = [
    # --- ordinary lines
    ("backup pgdata", _backup("pgdata")),
    ("  backup   pgdata  ", _backup("pgdata")),
    ("backup pgdata --quiesce pause", _backup("pgdata", quiesce="pause")),
    ("backup pgdata --quiesce=stop", _backup("pgdata", quiesce="stop")),
    ("backup --quiesce stop pgdata", _backup("pgdata", quiesce="stop")),
    ("backup --wait pgdata", _backup("pgdata", wait=True)),
    ("backup pgdata --host h1 --wait", _backup("pgdata", host="h1", wait=True)),
    ('backup pgdata --note "before the upgrade"', _backup("pgdata", note="before the upgrade")),
    ("backup pgdata --note 'before the upgrade'", _backup("pgdata", note="before the upgrade")),
    ("backup pgdata --note=--urgent", _backup("pgdata", note="--urgent")),
    ("backup pgdata --note=", _backup("pgdata", note="")),
    ("backup pgdata --note ''", _backup("pgdata", note="")),
    ("backup pgdata --note -5", _backup("pgdata", note="-5")),
    ("backup my_vol.1-2", _backup("my_vol.1-2")),
    # --- what phones and word processors make of it
    ("backup pgdata —quiesce pause", _backup("pgdata", quiesce="pause")),
    ("backup pgdata –quiesce pause", _backup("pgdata", quiesce="pause")),
    ("backup pgdata ―wait", _backup("pgdata", wait=True)),
    ("backup pgdata −wait", _backup("pgdata", wait=True)),
    ("backup pgdata —quiesce=pause", _backup("pgdata", quiesce="pause")),
    ("backup pgdata --note “before the upgrade”", _backup("pgdata", note="before the upgrade")),
    ("backup pgdata --note „vor dem Umbau“", _backup("pgdata", note="vor dem Umbau")),
    ("backup pgdata --note «avant»", _backup("pgdata", note="avant")),
    ("backup pgdata --note=“before it”", _backup("pgdata", note="before it")),
    ("backup pgdata --note ‘before it’", _backup("pgdata", note="before it")),
    ("backup pgdata --note “it’s Ann’s”", _backup("pgdata", note="it’s Ann’s")),
    ('backup pgdata --note "Ann\'s idea"', _backup("pgdata", note="Ann's idea")),
    ("backup pgdata --note Ann’s", _backup("pgdata", note="Ann’s")),
    ("backup\u00a0pgdata\u00a0--wait", _backup("pgdata", wait=True)),
    ("backup\u3000pgdata", _backup("pgdata")),
    ("backup\u2009pgdata\u202f--wait", _backup("pgdata", wait=True)),
    ("backup pg\u200bdata", _backup("pgdata")),
    ("\ufeffbackup pgdata", _backup("pgdata")),
    ("backup pgdata\u2060 \u200d--wait", _backup("pgdata", wait=True)),
    ("say “wait — what”", _said("wait — what")),
    ("say 3–4", _said("3–4")),
    ("backup pgdata\n--wait", _backup("pgdata", wait=True)),
    ("backup\tpgdata", _backup("pgdata")),
    # --- Slack's markup
    ("say <http://example.com|example.com>", _said("example.com")),
    ("say <https://a.example/x|https://a.example/x>", _said("https://a.example/x")),
    ("say <https://a.example/x>", _said("https://a.example/x")),
    ("say <mailto:ann@a.example|ann@a.example>", _said("ann@a.example")),
    ("say <tel:5551234|555-1234>", _said("555-1234")),
    ("say <@U012AB|ann>", _said("U012AB")),
    ("say <@W012AB>", _said("W012AB")),
    ("say <#C012AB|ops>", _said("C012AB")),
    ("say <#C012AB>", _said("C012AB")),
    ("say Q&amp;A", _said("Q&A")),
    ('say "a &lt; b &gt; c"', _said("a < b > c")),
    ("say &amp;lt;", _said("&lt;")),
    ('backup pgdata --note "see <https://a.example|a.example>"', _backup("pgdata", note="see a.example")),
    # --- references and paths are ordinary words
    (f"say {REFERENCE}", _said(REFERENCE)),
    (f"say <http://host:5000|host:5000>/team/app:1.2@sha256:{SHA}", _said(REFERENCE)),
    ("say localhost:5000/app:latest", _said("localhost:5000/app:latest")),
    ("say db:/var/lib/postgresql", _said("db:/var/lib/postgresql")),
    ("say a=b", _said("a=b")),
    ("say -", _said("-")),
    ("say 백업", _said("백업")),
    # --- the rest of the grammar
    ("say a b", _said("a", more="b")),
    ("say a --times 3", _said("a", times="3")),
    ("say a --dry-run", _said("a", dry_run=True)),
    ("say --dry-run a b --mood loud", _said("a", more="b", dry_run=True, mood="loud")),
    ("say -- --mood", _said("--mood")),
    ("say a -- -b", _said("a", more="-b")),
    ("say -- -- --", _said("--", more="--")),
    ("say ''", _said("")),
    (r"say a\ b", _said("a b")),
    ('say "a #b"', _said("a #b")),
    ("say #b", _said("#b")),
    ('say $(reboot) "`id`"', _said("$(reboot)", more="`id`")),
    ("say a;b", _said("a;b")),
    ("help", {"command": None}),
    ("help backup", {"command": "backup"}),
    ("backup web:/etc/nginx", _backup("web:/etc/nginx")),
    ("backup pgdata —dump", _backup("pgdata", dump=True)),
    ("restore 7f3a2c1b", _restore("7f3a2c1b")),
    ("restore 7f3a2c1b --as web-2 --share-volumes", _restore("7f3a2c1b", as_="web-2", share_volumes=True)),
    ("restore web:/etc/web/7f3a2c1b", _restore("web:/etc/web/7f3a2c1b")),
    ("restore 7f3a2c1b --replace --path conf/a.b", _restore("7f3a2c1b", replace=True, path="conf/a.b")),
    ("undo 7f3a2c1b", {"run": "7f3a2c1b", "wait": False}),
    ("drill pgdata", _drill("pgdata")),
    ("drill web:/srv --backup 7f3a2c1b --host h1", _drill("web:/srv", backup="7f3a2c1b", host="h1")),
    ("drill --oldest --among pg*", _drill(None, oldest=True, among="pg*")),
    ("verify --oldest", _verify(None, oldest=True)),
    ("diff 7f3a2c1b", {"backup": "7f3a2c1b", "other": None, "limit": "50", "wait": False}),
    (
        "diff 7f3a2c1b 8a4b3d2c --limit 9",
        {"backup": "7f3a2c1b", "other": "8a4b3d2c", "limit": "9", "wait": False},
    ),
    ("prune", _prune()),
    ("prune pgdata —dry-run", _prune(source="pgdata", dry_run=True)),
    ("prune --host h1 --despite-shrink", _prune(host="h1", despite_shrink=True)),
    ("hold 7f3a2c1b", {"backup": "7f3a2c1b", "note": "", "until": None, "wait": False}),
    (
        "hold 7f3a2c1b --until 2027-01-31 --note “the audit”",
        {"backup": "7f3a2c1b", "note": "the audit", "until": "2027-01-31", "wait": False},
    ),
    ("release 7f3a2c1b --wait", {"backup": "7f3a2c1b", "wait": True}),
    ("check", {"rebuild": False}),
    ("check --rebuild", {"rebuild": True}),
    ("verify 20261124T101112Z-7f3a2c1b", _verify("20261124T101112Z-7f3a2c1b")),
    # --- many words, and the rest of a line
    (
        'later noon backup pgdata --quiesce stop -- --note "a b"',
        {"when": "noon", "line": ("backup", "pgdata", "--quiesce", "stop", "--", "--note", "a b"), "tag": ()},
    ),
    (
        "later --tag a=1 noon --tag b=2=3 runs",
        {"when": "noon", "line": ("runs",), "tag": ("a=1", "b=2=3")},
    ),
    ("later -- --noon --x", {"when": "--noon", "line": ("--x",), "tag": ()}),
    (
        "exec db vacuum table=orders —host h1 jobs=2",
        {
            "container": "db",
            "runbook": "vacuum",
            "value": ("table=orders", "jobs=2"),
            "host": "h1",
            "wait": False,
        },
    ),
    (
        "create-volume v1 --label a=1 --label=b= --wait",
        {"volume": "v1", "driver": "local", "label": ("a=1", "b="), "option": (), "host": None, "wait": True},
    ),
    (
        "backups pgdata --limit 5 --chart",
        {"source": "pgdata", "host": None, "chart": True, "limit": "5", "page": "1"},
    ),
    ("runs --mine --status failed", {"status": "failed", "mine": True, "limit": "20"}),
]

REFUSED: list[tuple[str, str]] = [
    ("", "There is no command in that line"),
    ("   ", "There is no command in that line"),
    ("\u200b", "There is no command in that line"),
    ("''", "There is no command “”"),
    ("bakup pgdata", "There is no command “bakup”. Did you mean backup?"),
    ("backp pgdata", "Did you mean backup?"),
    ("restroe 7f3a2c1b", "Did you mean restore?"),
    ("Backup pgdata", "There is no command “Backup”. Did you mean backup?"),
    ("xyzzy", "There is no command “xyzzy”. Nothing was changed. `help` lists the commands."),
    ("--wait", "There is no command “--wait”"),
    ("backup", "VOLUME|CONTAINER:/PATH is missing (the volume to back up, or a path"),
    ("backup --wait", "VOLUME|CONTAINER:/PATH is missing"),
    ("backup pgdata --quiet", "There is no flag --quiet here. Did you mean --quiesce?"),
    ("backup pgdata --qiesce pause", "There is no flag --qiesce here. Did you mean --quiesce?"),
    ("backup pgdata —qiesce pause", "There is no flag --qiesce here. Did you mean --quiesce?"),
    ("backup pgdata --Wait", "There is no flag --Wait here. Did you mean --wait?"),
    ("backup pgdata -wait", "There is no flag -wait here. Did you mean --wait?"),
    ("backup pgdata -q", "There is no flag -q here."),
    ("backup pgdata --zzz", "There is no flag --zzz here. Nothing was changed."),
    ("backup pgdata --into x", "There is no flag --into here."),
    ("backup pgdata --wait --wait", "--wait is given twice"),
    ("backup pgdata --quiesce stop --quiesce=pause", "--quiesce is given twice"),
    ("backup pgdata --quiesce", "--quiesce needs a value (what its running containers do meanwhile"),
    ("backup pgdata --quiesce --wait", "--quiesce needs a value"),
    ("backup pgdata --note “--urgent”", "--note needs a value"),
    ("backup pgdata --wait=yes", "--wait takes no value"),
    ("backup pgdata --wait=", "--wait takes no value"),
    ("backup pgdata --wait yes", "“yes” is one word too many"),
    ("backup pgdata logs", "“logs” is one word too many"),
    ("backup pgdata -- --wait", "“--wait” is one word too many"),
    ("whoami please", "“please” is one word too many"),
    ("backup pgdata --note before the upgrade", "“the” is one word too many"),
    ("backup pgdata --quiesce paused", "“paused” is not one of none, pause, stop. Did you mean pause?"),
    ("backup pgdata --quiesce PAUSE", "“PAUSE” is not one of none, pause, stop."),
    ("backup pgdata --quiesce=", "“” is not one of none, pause, stop."),
    ("say a --mood lod", "“lod” is not one of calm, loud, sad. Did you mean loud?"),
    ("say a --times 0", "“0” is not a number from 1 to 999"),
    ("say a --times 1000", "“1000” is not a number from 1 to 999"),
    ("say a --times ٣", "“٣” is not a number from 1 to 999"),
    ("backup p", "“p” is not the name of a volume"),
    ("backup -- -pgdata", "“-pgdata” is not the name of a volume"),
    ("backup ../etc", "“../etc” is not the name of a volume"),
    ("backup pg/data", "“pg/data” is not the name of a volume"),
    ("backup ''", "“” is not the name of a volume"),
    (f"backup {'v' * 256}", "is not the name of a volume"),
    ('backup "pg data"', "“pg data” is not the name of a volume"),
    ('backup "pgdata\n"', "is not the name of a volume"),
    ("backup 데이터", "“데이터” is not the name of a volume"),
    (f"backup {REFERENCE}", "is not the name of a volume"),
    ("later noon", "TEXT… is missing (what to do)"),
    ("later --tag", "--tag needs a value"),
    ("exec db", "RUNBOOK is missing"),
    ("exec db vacuum orders", "“orders” is not NAME=VALUE, such as table=orders"),
    ("remove-volume v1 --confirm 7f3a", "“7f3a” is not the code of a plan"),
    ("volumes --page 0", "“0” is not the number of a page"),
    ("restore 7F3A2C1B", "is not a backup’s or a snapshot’s id"),
    ("restore 7f3a2c1", "is not a backup’s or a snapshot’s id"),
    ("restore ../../7f3a2c1b", "is not a backup’s or a snapshot’s id"),
    ("cancel everything", "“everything” is not a run’s id"),
    ("backup pgdata --host -x", "“-x” is not the name of a host"),
    ("backup pgdata --note “open", "A quote is opened but not closed"),
    ("backup pgdata --note it's", "A quote is opened but not closed"),
    ("backup pgdata \\", "A quote is opened but not closed, or a backslash ends the line"),
    ("backup pg\0data", "That line holds NUL"),
    ("backup pg\ufffddata", "bytes that are not UTF-8 text"),
    (f"say {'x' * LONGEST}", f"That line has {LONGEST + 4} characters; at most {LONGEST} are read"),
]


def _read(typed: str) -> dict[str, Any]:
    words = split(repair(from_slack(typed)))
    command = find(COMMANDS, words)
    return asdict(parse(command, words[1:]))


def test_the_table_is_long_enough() -> None:
    """The table holds at least eighty lines, none of them twice."""
    lines = [line for line, _ in (*UNDERSTOOD, *REFUSED)]
    assert len(lines) >= 80
    assert len(set(lines)) == len(lines)


@pytest.mark.parametrize(("typed", "arguments"), UNDERSTOOD)
def test_it_is_understood(typed: str, arguments: dict[str, Any]) -> None:
    """The line means exactly these arguments."""
    assert _read(typed) == arguments


@pytest.mark.parametrize(("typed", "words"), REFUSED)
def test_it_is_refused(typed: str, words: str) -> None:
    """The line is refused with these words, and they say that nothing was changed."""
    with pytest.raises(UsageError) as refused:
        _read(typed)
    assert words in str(refused.value)
    assert "Nothing was changed" in str(refused.value)


def test_the_longest_line_is_read() -> None:
    """A line of exactly the limit is still read."""
    assert _read(f"say {'x' * (LONGEST - 4)}")["what"] == "x" * (LONGEST - 4)


def test_usage_is_in_every_refusal_of_arguments() -> None:
    """Whoever gets the arguments wrong is shown how the command is written."""
    with pytest.raises(UsageError, match=r"Usage: `say TEXT \[TEXT\] \[--mood calm\|loud\|sad\]"):
        _read("say")
    with pytest.raises(Misused) as refused:
        _read("say a b c")
    assert refused.value.sentence == "“c” is one word too many. Nothing was changed."
    assert str(refused.value).startswith(f"{refused.value.sentence} Usage: `say TEXT")


def test_usage_shows_what_may_be_many() -> None:
    """An ellipsis stands behind what may be repeated, and behind the rest of a line."""
    assert LATER.usage == "later TEXT [--tag NAME=VALUE]… TEXT…"
    assert COMMANDS["exec"].usage == "exec CONTAINER RUNBOOK [NAME=VALUE…] [--host HOST] [--wait]"


def test_only_the_bot_reads_slack_markup() -> None:
    """Shell lines are not Slack's: an ampersand code stays as it was typed."""
    assert split(repair("say Q&amp;A")) == ["say", "Q&amp;A"]


_word = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\ufffd"), max_size=12)
_typed = st.text(
    st.one_of(
        st.characters(exclude_categories=("Cs",)),
        st.sampled_from("—–−“”„«»‘’'\"\\ \u00a0\u200b\ufeff-<>&|;=@#aU1"),
    ),
    max_size=60,
)


@settings(max_examples=examples(100, 300), deadline=None)
@given(_typed)
def test_repairing_twice_changes_nothing(typed: str) -> None:
    """What was repaired is left alone by a second repair."""
    once = repair(typed)
    assert repair(once) == once


@settings(max_examples=examples(100, 300), deadline=None)
@given(st.lists(_word, max_size=8))
def test_joined_words_split_again(words: list[str]) -> None:
    """Words that a shell joined come apart as they were."""
    assert split(shlex.join(words)) == words


@settings(max_examples=examples(100, 300), deadline=None)
@given(_typed)
def test_any_line_is_understood_or_refused(typed: str) -> None:
    """Whatever is typed is understood or refused in words; nothing else comes out."""
    with contextlib.suppress(UsageError):
        assert isinstance(_read(typed), dict)
