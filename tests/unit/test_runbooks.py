"""Runbooks: what may be run, with which values, what is told of it, and where no secret ever appears."""

from __future__ import annotations

import logging
import shlex
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bot.model import Outcome, Status
from bot.operations.output import Kept, Masked, visible
from bot.settings import SettingsError, read
from bot.templates import Parameter, filled, names_in, quoted_places
from tests.fakes import FakeEngine
from tests.support.canaries import canary
from tests.support.house import House, at_work, from_slack, refuse_untrue, settings, wait_for

CANARY = canary("runbook-secret")
TYPED = canary("typed-argument")
TOML = """
[roles.keepers]
members = ["U0ANN"]
right = "admin"
[roles.crew]
members = ["U0BOB"]
right = "operate"
targets = ["container:db", "runbook:vacuum", "runbook:shut", "runbook:rotate"]

[runbooks.vacuum]
summary = "Tidy a table"
command = ["vacuumdb", "--table={table}", "-j", "{jobs}", "{{table}}"]
containers = ["db*"]
user = "postgres"
output_bytes = 20
[runbooks.vacuum.parameters.table]
pattern = "[a-z_-]+"
[runbooks.vacuum.parameters.jobs]
type = "integer"
min = 1
max = 9
default = "2"

[runbooks.shut]
command = ["shut"]
containers = ["*"]
right = "admin"

[runbooks.slow]
command = ["slow"]
containers = ["*"]
seconds = 1

[runbooks.say]
command = "echo {what} | tee ${HOME}/said"
containers = ["*"]
shell = true
[runbooks.say.parameters.what]
pattern = '.*'
dash = true

[runbooks.rotate]
command = ["rotate", "{user}"]
containers = ["db"]
[runbooks.rotate.parameters.user]
type = "choice"
choices = ["app", "report"]
[runbooks.rotate.parameters.password]
secret = true
variable = "ROTATED_PASSWORD"
"""


@pytest.fixture
def house(tmp_path: Path, fake_engine: FakeEngine) -> Iterator[House]:
    """A house with runbooks, and a secret in its environment."""
    fake_engine.add_container("web", [])
    fake_engine.programs["db"] = lambda words: (" ".join(words).encode(), "", 0)
    made = settings(tmp_path / "state", toml=TOML, ROTATED_PASSWORD=CANARY)
    with at_work(made, {"local": fake_engine}) as house:
        yield house
        refuse_untrue(house.app)


def _is(outcome: Outcome, status: Status, words: str = "") -> Outcome:
    assert (outcome.status, words in outcome.reply.text) == (status, True), outcome.reply.text
    return outcome


def test_a_runbook_is_run_word_for_word(house: House, fake_engine: FakeEngine) -> None:
    """Values fill their places within words, nothing is split, and user and container are the settings' own."""
    done = _is(house.say("exec db vacuum table=orders --host local"), Status.SUCCEEDED, "exit code 0")
    (ran,) = fake_engine.executed
    assert ran.words == ("vacuumdb", "--table=orders", "-j", "2", "{table}")
    assert (ran.container, ran.user, ran.environment) == ("db", "postgres", {})
    assert (done.reply.facts["exit_code"], done.reply.facts["runbook"]) == (0, "vacuum")
    written = " ".join(ran.words)
    left_out = len(written) - 20
    assert done.reply.output == f"{written[:10]}\n… {left_out} bytes left out …\n{written[-10:]}"
    assert done.reply.facts["left_out_bytes"] == left_out


def test_both_outputs_and_the_exit_code_are_told(house: House, fake_engine: FakeEngine) -> None:
    """A code other than 0 is a failure with the code as a fact; what is no text is made visible."""
    fake_engine.programs["db"] = lambda _: (b"\x1b[2J\xff ok\r\n", "bad\u202e <!channel>\n", 7)
    done = _is(house.say("exec db vacuum table=x"), Status.FAILED, "ended with exit code 7")
    assert done.reply.output == "\\x1b[2J\\xff ok\n--- standard error ---\nbad\\u202e <!channel>"
    assert (done.reply.facts["exit_code"], done.reply.facts["reason"]) == (7, "runbook")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("exec db vacum table=x", "no runbook vacum in the settings. Did you mean vacuum?"),
        ("exec web vacuum table=x", "do not allow runbook vacuum in container web, only in db*"),
        ("exec dv vacuum table=x", "There is no container “dv”"),
        ("exec db vacuum", "table=TEXT is missing"),
        ("exec db vacuum tabel=x", "no parameter tabel; did you mean table?"),
        ("exec db vacuum table=x table=y", "table is given twice"),
        ("exec db vacuum table=-x", "begins with “-”"),
        ("exec db vacuum table=X", "does not fit the pattern"),
        ("exec db vacuum 'table=x --all'", "does not fit the pattern"),
        ("exec db vacuum table=x jobs=10", "is no number from 1 to 9"),
        ("exec db vacuum table=x jobs=1.5", "is no number from 1 to 9"),
        ("exec db vacuum table=x extra", "“extra” is not NAME=VALUE"),
        ("exec db rotate user=root", "is not one of app, report"),
        (f"exec db rotate user=app password={TYPED}", "is a secret, which is never given"),
        (f"exec db rotate user=app 'password=my {TYPED}'", "A quote is opened but not closed"),
    ],
)
def test_what_is_refused_runs_nothing(house: House, fake_engine: FakeEngine, line: str, words: str) -> None:
    """Unknown names, values that do not fit and containers that are not allowed are refused with a sentence."""
    refused = _is(house.say(line), Status.REJECTED, words)
    assert fake_engine.executed == []
    assert TYPED not in refused.reply.text


def test_who_may_run_what(house: House, fake_engine: FakeEngine) -> None:
    """A role reaches a runbook by container and by `runbook:NAME`; one for administrators needs that right."""
    _is(house.say(from_slack("exec db vacuum table=x", user="U0BOB")), Status.SUCCEEDED)
    for line in ("exec db slow", "exec web shut", "exec db shut"):
        _is(house.say(from_slack(line, user="U0BOB")), Status.DENIED)
    assert len(fake_engine.executed) == 1
    _is(house.say(from_slack("exec db shut", user="U0ANN")), Status.SUCCEEDED)
    seen = {}
    for user in ("U0ANN", "U0BOB"):
        table = house.say(from_slack("runbooks", user=user)).reply.table
        assert table is not None
        seen[user] = {row[0]: row[1] for row in table.rows}
    assert set(seen["U0ANN"]) == {"vacuum", "shut", "slow", "say", "rotate"}
    assert seen["U0BOB"] == {"vacuum": "table=TEXT [jobs=1…9]", "rotate": "user=app|report"}


def test_what_a_runbook_wrote_is_for_those_who_may_run_it(house: House) -> None:
    """Another's run is shown, cancelled and repeated as it would be started: by runbook and right, not by container."""
    runs = {
        line: house.say(from_slack(line)).run_id
        for line in ("exec db vacuum table=x", "exec db say what=x", "exec db shut")
    }
    for line, run_id in runs.items():
        status = Status.SUCCEEDED if "vacuum" in line else Status.DENIED
        for word in ("details", "retry"):
            _is(house.say(from_slack(f"{word} {run_id}", user="U0BOB")), status)
        _is(house.say(from_slack(f"details {run_id}")), Status.SUCCEEDED)
    unplanned = house.say(from_slack("exec gone vacuum table=x")).run_id
    _is(house.say(from_slack(f"details {unplanned}", user="U0BOB")), Status.DENIED, "is not yours")


def test_a_runbook_that_takes_too_long_is_killed(house: House, fake_engine: FakeEngine) -> None:
    """At its limit it is ended and the run fails; what it had written by then is shown."""
    fake_engine.programs["db"] = lambda _: (b"begun", "", None)
    done = _is(house.say("exec db slow"), Status.FAILED, "took longer than 1 s and was killed")
    assert (done.reply.output, done.reply.facts["exit_code"]) == ("begun", None)
    assert [one.words for one in fake_engine.killed] == [("slow",)]


def test_a_cancelled_runbook_is_killed(house: House, fake_engine: FakeEngine) -> None:
    """A cancel ends the program at once, and does not claim that what it did was taken back."""
    fake_engine.programs["db"] = lambda _: (b"begun", "", None)
    running = house.accept("exec db vacuum table=x")
    wait_for(lambda: fake_engine.executed, saying="the program")
    house.say(f"cancel {running}")
    ended = _is(house.ending(running), Status.CANCELLED, "What it had done until then stays done")
    assert "taken back" not in ended.reply.text
    assert len(fake_engine.killed) == 1


def test_a_shell_never_reads_a_value_as_code(house: House, fake_engine: FakeEngine, tmp_path: Path) -> None:
    """What is given to a shell line comes out as it was typed, whatever it is."""
    evil = "$(touch pwned) `touch pwned` '; touch pwned; # \" -n *"
    _is(house.say(f"exec web say {shlex.quote('what=' + evil)}"), Status.FAILED)
    (ran,) = fake_engine.executed
    assert ran.words[:2] == ("/bin/sh", "-c")
    done = subprocess.run(
        ran.words,
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode() == f"{evil}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["said", "state"]


def test_a_secret_reaches_the_program_and_nobody_else(
    house: House, fake_engine: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """It is in the program's environment alone: in no word, answer, log or row, though the program prints it."""
    caplog.set_level(logging.DEBUG)

    def leaky(_: Sequence[str]) -> tuple[list[bytes], str, int]:
        return [b"now ", CANARY[:5].encode(), CANARY[5:].encode(), b" set"], f"{CANARY}{CANARY}\n", 0

    fake_engine.programs["db"] = leaky
    done = _is(house.say("exec db rotate user=app"), Status.SUCCEEDED)
    assert done.reply.output == "now ••• set\n--- standard error ---\n••••••"
    (ran,) = fake_engine.executed
    assert (ran.words, ran.environment) == (("rotate", "app"), {"PASSWORD": CANARY})
    with sqlite3.connect(house.app.settings.state / "shipkeeper.db") as rows:
        assert CANARY not in "\n".join(rows.iterdump())
    assert CANARY not in caplog.text
    assert CANARY not in repr(house.app.settings) + repr(house.app.services)
    assert CANARY not in house.app.settings.model_dump_json()


def test_a_secret_that_was_not_set_is_missed_at_use(tmp_path: Path, fake_engine: FakeEngine) -> None:
    """The bot starts without it, and the runbook says what is missing; nothing is run."""
    with at_work(settings(tmp_path / "state", toml=TOML), {"local": fake_engine}) as house:
        _is(house.say("exec db rotate user=app"), Status.REJECTED, "was not set when the bot started")
        assert fake_engine.executed == []


def _wrong(tmp_path: Path, runbook: str, parameter: str = "") -> str:
    toml = f'[runbooks.x]\ncontainers = ["*"]\n{runbook}\n[runbooks.x.parameters.p]\n{parameter}\n'
    file = tmp_path / "settings.toml"
    file.write_text(toml)
    with pytest.raises(SettingsError) as refused:
        read({"SHIPKEEPER_SETTINGS": str(file), "SHIPKEEPER_STATE": str(tmp_path)})
    return str(refused.value)


@pytest.mark.parametrize(
    ("runbook", "parameter", "words"),
    [
        ('command = "ls {p}"', "", "runbooks.x: `command` is one line, so it needs `shell = true`"),
        ('command = ["a", "{p}"]\nshell = true', "", "with `shell = true`, `command` is one line"),
        ("command = []", "", "names no program"),
        ('command = ["{p}"]', "", "the program itself cannot be a parameter"),
        (
            'command = ["a", "{q}"]',
            "",
            "{q} in `command` is no parameter of it; the braces themselves are {{q}}",
        ),
        ('command = ["a"]', "", "`command` has no place {p}"),
        ("command = \"echo '{p}'\"\nshell = true", "", "{p} stands in quotes"),
        (
            'command = ["a", "{p}"]',
            'secret = true\nvariable = "V"',
            "{p} is a secret, which goes to the environment",
        ),
        ('command = ["a", "{p}"]', "secret = true", "`secret = true` and `variable` belong together"),
        ('command = ["a", "{p}"]', 'variable = "lower"', "runbooks.x.parameters.p.variable"),
        ('command = ["a", "{p}"]', 'pattern = "["', "is no regular expression"),
        ('command = ["a", "{p}"]', 'type = "choice"', "a choice needs `choices`"),
        ('command = ["a", "{p}"]', 'type = "integer"\nmin = 5\nmax = 4', "`min` is more than `max`"),
        ('command = ["a", "{p}"]', 'type = "integer"\ndefault = "x"', "`default` is no number"),
        (
            'command = ["a", "{p}"]',
            'patern = "x"',
            "parameters.p.patern: there is no such key; did you mean pattern?",
        ),
        ('command = ["a", "{p}"]\nright = "view"', "", "runbooks.x.right"),
        ('command = ["a", "{p}"]\nseconds = 0', "", "runbooks.x.seconds"),
    ],
)
def test_wrong_settings_are_told(tmp_path: Path, runbook: str, parameter: str, words: str) -> None:
    """Each mistake in a runbook's section is a sentence with its place."""
    assert words in _wrong(tmp_path, runbook, parameter)


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        (
            Parameter(name="p"),
            ["a", "a.b:/c@d,e=f+g%h-"],
            ["", "-a", "a b", "a;b", "a\n", "é", "$a", "x" * 1001],
        ),
        (Parameter(name="p", pattern="a.*"), ["a b"], ["ab\n", "b", "a\x1b"]),
        (Parameter(name="p", pattern=".*", dash=True), ["-rf", ""], ["a\0"]),
        (
            Parameter(name="p", type="integer", least=-5, most=5),
            ["-5", "0", "5"],
            ["6", "+1", "", "--1", "٣", "1e1"],
        ),
        (Parameter(name="p", type="choice", choices=("a", "b")), ["a"], ["c", "", "A"]),
        (
            Parameter(name="p", type="path"),
            ["/", "/srv/a b"],
            ["srv", "/srv/../etc", "/srv/..", "//etc", "/a/./b", "/a/", "", "/a\n"],
        ),
        (Parameter(name="p", type="path", pattern="/srv/.*"), ["/srv/x"], ["/etc/x", "/srv/../etc/x"]),
    ],
)
def test_values(parameter: Parameter, good: list[str], bad: list[str]) -> None:
    """Each type takes what it is for, and says of everything else what is wrong."""
    assert [parameter.problem(value) for value in good] == [""] * len(good)
    assert "" not in [parameter.problem(value) for value in bad]


def test_places() -> None:
    """Braces of other languages are left alone; doubled ones stand for themselves."""
    word = "{a}-{{a}}-${a}-{{.Names}}-{ print }-{b_2}"
    assert names_in(word) == ("a", "b_2")
    assert filled(word, {"a": "{b_2}", "b_2": "y"}) == "{b_2}-{a}-${a}-{{.Names}}-{ print }-y"
    assert quoted_places("a {x} 'b' \"c\" {y} \\' {z}") == ()
    assert quoted_places('\'{x}\' "{y}" \\{z} "\'" \'"{w}"\'') == ("x", "y", "z", "w")


def test_streams_are_cut_in_the_middle() -> None:
    """Beginning and end are kept, with the number of bytes between; memory does not grow with the stream."""
    for size in (1, 7, 1000):
        kept = Kept(10)
        data = bytes(range(65, 91)) * 40
        for at in range(0, len(data), size):
            kept.feed(data[at : at + size])
        assert kept.text() == "ABCDE\n… 1030 bytes left out …\nVWXYZ"
        assert kept.total_bytes == 1040
    whole = Kept(10)
    whole.feed("ü".encode() * 5)
    assert (whole.text(), whole.left_out_bytes) == ("üüüüü", 0)
    nothing = Kept(0)
    nothing.feed(b"abc")
    assert "3 bytes left out" in nothing.text()


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_secrets_are_masked_wherever_pieces_end(size: int) -> None:
    """A secret is found across pieces, and so is one that contains another."""
    masked, data, told = Masked(["secret", "secret2"]), b"a secret2 secre secret", b""
    for at in range(0, len(data), size):
        told += masked.feed(data[at : at + size])
    assert (told + masked.rest()).decode().replace("•••2", "•••") == "a ••• secre •••"


def test_what_is_not_printable_is_visible() -> None:
    """Control characters, overrides of direction and broken UTF-8 are written out; lines and tabs stay."""
    assert (
        visible("a\tb\n\u2028\u200b\x07é 백".encode() + b"\xe2\x82")
        == "a\tb\n\\u2028\\u200b\\x07é 백\\xe2\\x82"
    )
