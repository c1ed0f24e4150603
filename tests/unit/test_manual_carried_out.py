"""Every command line of the documents is carried out, page by page and in its order, and ends as it should.

The house has all that they speak of (tests/support/furnished.py), so a line that comes to a page is run by itself.
`ELSEWHERE` names what cannot be run there, why, and which test does.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot import cli
from bot.model import Status
from bot.offline import names_a_file
from bot.stores.heads import Heads
from bot.stores.runrow import Run
from tests.fakes import FakeEngine
from tests.support import told
from tests.support.furnished import DATABASE, furnished
from tests.support.house import House, from_slack, invocation, wait_for
from tests.support.pages import ROOT, Page, pages
from tests.support.people import FakePeople

ID, OTHER_ID, RESTORE_ID = "7f3a2c1b", "8a4b3d2c", "5c0ffee1"
"""What the documents write for a backup or a run, for a second one, and for a restore."""
ASKS, SPEAKS, LETS = "U0ANN", "U0ADA", "U0EVE"
"""Who asks for what then waits, who types what the documents say, and who lets things go on without approval."""
ALIKE = {"README.ko.md"}
"""Its commands are those of README.md: tests/unit/test_documents.py compares them."""

_PRINTED = "unit/test_documents.py::test_what_only_a_shell_has_is_run"
_MOVED = "stores/test_operations_manual.py::test_everything_comes_back_on_another_machine"
_UPGRADE = "stores/test_operations_manual.py::test_an_upgrade_is_taken_back"
_UPLOADED = "slack/test_files_both_ways.py::test_an_attached_file_goes_into_the_container"
_SERVED = "faults/test_two_processes.py::test_a_second_bot_refuses_and_the_first_goes_on"
ELSEWHERE: dict[str, tuple[str, str]] = {
    "/docker cp upload web:/etc/nginx/": ("a file has to be attached in Slack", _UPLOADED),
    "shipkeeper manifest --format yaml": ("it prints, and asks no bot", _PRINTED),
    "SHIPKEEPER_SETTINGS=$HOME/shipkeeper.toml .venv/bin/shipkeeper manifest --format yaml": (
        "it prints, and asks no bot",
        _PRINTED,
    ),
    ".venv/bin/shipkeeper manifest --format yaml --url https://bot.example.com": (
        "it prints, and asks no bot",
        _PRINTED,
    ),
    ".venv/bin/shipkeeper serve": ("it is the bot, a process of its own", _SERVED),
    'shipkeeper state backup "$KEEP/state-$NOW.db"': ("a shell fills in its variables", _MOVED),
    'shipkeeper state restore "$BACKUP"': ("no bot may be at work", _UPGRADE),
    'shipkeeper state restore "$(ls "$KEEP"/state-*.db | tail -n 1)"': ("no bot may be at work", _MOVED),
}
"""A line as it stands on its page -> why it is not carried out here, and the test that does so."""


def _ends(words: list[str]) -> Status:
    """How the line is to end: a plan is shown before a volume goes; a house without Slack has the doctor warn."""
    is_partial = words[0] == "remove-volume" or words == ["check"]
    return Status.PARTIAL if is_partial else Status.SUCCEEDED


LETS_GO = {
    "approve": Status.SUCCEEDED,
    "break-glass": Status.SUCCEEDED,
    "cancel": Status.CANCELLED,
    "deny": Status.DENIED,
}
"""What is said of something that waits for a second person -> how that ends then."""


class Typist:
    """Somebody who types what a page says, with the ids of what is really there."""

    def __init__(self, house: House, directory: Path) -> None:
        self.house = house
        self.directory = directory
        """Where their shell is, with the files that the documents speak of."""

    @property
    def engine(self) -> FakeEngine:
        """The host that is meant where none is named."""
        engine = self.house.app.services.engines["local"]
        assert isinstance(engine, FakeEngine)
        return engine

    def carry_out(self, line: str) -> None:
        """Type it; fails unless it ends as it is to end."""
        words = told.typed(line) or []
        is_shell = words[0] == "shipkeeper"
        words = told.without_face(words[1:] if is_shell else words)
        if words[:2] == ["audit", "verify"] and names_a_file(words[2:]):
            self._verify_offline(words)
        else:
            self._carry_out(line, words, is_shell=is_shell)

    def _carry_out(self, line: str, words: list[str], *, is_shell: bool) -> None:
        before = LAID_READY.get(words[0])
        if before is not None:
            before(self, words)
        found = FOUND.get(words[0], Typist.backup)(self, words) if ID in words else ""
        text = shlex.join(self._real(words, found, is_shell=is_shell))
        ended = self.house.say(invocation(text) if is_shell else from_slack(text, user=SPEAKS))
        assert ended.status is _ends(words), f"{line}: {ended.status}, {ended.reply.text}"
        if found and words[0] in LETS_GO:
            assert self.house.ending(found).status is LETS_GO[words[0]], line

    def _verify_offline(self, words: list[str]) -> None:
        """The newest export, on a machine without a bot."""
        (run,) = [run for run in self._runs("audit export")][:1]
        assert run.reply is not None
        (file,) = run.reply.attachments
        with self.house.app.services.outgoing.open(run.id, file) as export:
            (self.directory / file.name).write_bytes(export.read())
        real = [word.replace("/tmp", str(self.directory)).replace(ID, run.id) for word in words]
        assert cli.main(real, told.COMMANDS) == 0

    def _real(self, words: list[str], found: str, *, is_shell: bool) -> list[str]:
        real = {ID: found}
        if RESTORE_ID in words:
            real[RESTORE_ID] = self.replacement(words)
        if OTHER_ID in words:
            real[OTHER_ID] = self._done("backup pgdata")
        filled = [real.get(word, word) for word in words]
        at_home = told.COMMANDS[words[0]].at_home
        return at_home(filled, self.directory) if is_shell and at_home else filled

    def _runs(self, start: str, *, having: str = "", without: str = "-without-") -> list[Run]:
        """What succeeded of lines that begin so, newest first."""
        runs = self.house.app.services.runs.newest(limit=1000)
        lines = [(run, run.invocation.line) for run in runs if run.status is Status.SUCCEEDED]
        return [
            run for run, line in lines if line.startswith(start) and having in line and without not in line
        ]

    def _done(self, line: str, *, user: str = SPEAKS) -> str:
        ended = self.house.say(from_slack(line, user=user))
        assert ended.status is Status.SUCCEEDED, f"{line}: {ended.reply.text}"
        return ended.run_id

    # -- what an id stands for --

    def backup(self, _: list[str]) -> str:
        """The newest of a volume's bytes, or one made now."""
        made = self._runs("backup pgdata", without="--dump")
        return made[0].id if made else self._done("backup pgdata")

    def restorable(self, words: list[str]) -> str:
        """A backup; where a container is to come of it, a snapshot."""
        return self._done("snapshot web --with-volumes") if "--as" in words else self.backup(words)

    def replacement(self, words: list[str]) -> str:
        """The newest restore that replaced something, or one made now."""
        made = self._runs("restore ", having="--replace", without="--dry-run")
        return made[0].id if made else self._done(f"restore {self.backup(words)} --replace")

    def waiting(self, _: list[str]) -> str:
        """What waits for a second person, asked for just now."""
        run_id = self.house.accept(from_slack("backup guarded", user=ASKS))
        wait_for(lambda: self.house.run(run_id).status is Status.WAITING, saying=f"the waiting of {run_id}")
        return run_id

    def unapproved(self, words: list[str]) -> str:
        """What went on without approval, and is to be reviewed."""
        run_id = self.waiting(words)
        self._done(f"break-glass {run_id} why", user=LETS)
        assert self.house.ending(run_id).status is Status.SUCCEEDED
        return run_id

    # -- what a line needs before it --

    def proven(self, words: list[str]) -> None:
        """A backup of the volume that is to go, unless the page made one, or does without."""
        if not self._runs(f"backup {words[1]}") and "--without-backup" not in words:
            self._done(f"backup {words[1]}")

    def scheduled(self, words: list[str]) -> None:
        """The schedule of that name."""
        if words[1] not in {one.name for one in self.house.app.services.schedules.all()}:
            self._done(f"schedule {words[1]} daily at 03:00 backup files")

    def unscheduled(self, words: list[str]) -> None:
        """None of that name: a page may make it twice, to show two ways."""
        for one in self.house.app.services.schedules.all():
            if one.name in words:
                self._done(f"unschedule {one.name}")

    def served(self, _: list[str]) -> None:
        """Something to pull."""
        if not self._runs("push "):
            self._done("push web:1.4")

    def published(self, _: list[str]) -> None:
        """Where the audit log ends now, as it is published daily."""
        head = self.house.app.services.audit.head()
        if head is not None:
            Heads(self.directory / "shipkeeper-heads.jsonl").publish(head)


FOUND: dict[str, Callable[[Typist, list[str]], str]] = {
    **dict.fromkeys(LETS_GO, Typist.waiting),
    "undo": Typist.replacement,
    "restore": Typist.restorable,
    "close-review": Typist.unapproved,
}
"""Command -> what its id is; that of any other is a backup's."""
LAID_READY: dict[str, Callable[[Typist, list[str]], None]] = {
    **dict.fromkeys(("pause", "resume", "run-now", "unschedule"), Typist.scheduled),
    "audit": Typist.published,
    "pull": Typist.served,
    "remove-volume": Typist.proven,
    "schedule": Typist.unscheduled,
}


@pytest.fixture
def typist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Typist]:
    """At work in a furnished house whose Slack knows everybody; afterwards nothing may be left half done."""
    people = FakePeople()
    for one in (ASKS, SPEAKS, LETS):
        people.put(one)
    monkeypatch.setattr("bot.app.people", lambda *_: people)
    monkeypatch.setattr("bot.context._WATCH_SECONDS", 0.01)  # hundreds of reads wait for their watchers
    directory = tmp_path / "shell"
    directory.mkdir()
    (directory / "app.toml").write_text("port = 80\n")
    monkeypatch.chdir(directory)
    with furnished(tmp_path) as house:
        yield Typist(house, directory)


def _lines(one: Page) -> list[str]:
    return list(dict.fromkeys([*told.lines(one), *told.spans(one)]))


PAGES = [one for one in pages() if one.name not in ALIKE and not ELSEWHERE.keys() >= set(_lines(one))]


@pytest.mark.parametrize("one", PAGES, ids=lambda one: one.name)
def test_each_command_does_what_its_page_says(one: Page, typist: Typist) -> None:
    """In the order of the page; its blocks first, then what stands in its sentences and tables."""
    for line in _lines(one):
        if line not in ELSEWHERE:
            typist.carry_out(line)
    LEFT.get(one.name, lambda _: None)(typist)


def _left_by_the_first_page(typist: Typist) -> None:
    """A copy; a volume as it was before, by undo; a plan of which nothing was done; an image; a schedule."""
    engine, services = typist.engine, typist.house.app.services
    assert engine.files("pgdata-copy") == engine.files("pgdata") == DATABASE
    assert engine.files("pgdata-old")
    assert "registry.example.com/team/web:1.4" in {name for one in engine.images() for name in one.references}
    assert [one.name for one in services.schedules.all()] == ["nightly"]
    assert [run.words[0] for run in engine.executed][-1] == "vacuumdb"
    assert {one.volume for one in services.archive.backups()} >= {"pgdata", "pgdata-old", "guarded"}


def _left_by_the_guides(typist: Typist) -> None:
    """What was looked at beside the volume, and what was moved, is the same on the other side."""
    beta = typist.house.app.services.engines["beta"]
    assert isinstance(beta, FakeEngine)
    assert (
        typist.engine.files("pgdata-look")
        == typist.engine.files("pgdata")
        == beta.files("pgdata")
        == DATABASE
    )
    assert "registry.example.com/team/web:1.4" in {name for one in beta.images() for name in one.references}


LEFT: dict[str, Callable[[Typist], None]] = {
    "README.md": _left_by_the_first_page,
    "docs/howto.md": _left_by_the_guides,
}
"""What a page has made when all of it was carried out."""


def test_every_command_is_carried_out() -> None:
    """The pages together leave no command of the bot's out."""
    carried_out = {line for one in PAGES for line in _lines(one)} - ELSEWHERE.keys()
    typed = [told.typed(line) or [] for line in carried_out]
    first = {words[1] if words[0] == "shipkeeper" else words[0] for words in typed}
    assert told.COMMANDS.keys() - first == set()


def test_what_is_run_elsewhere_is_still_told_and_still_run() -> None:
    """Each such line is on some page, and the test that runs it is there."""
    assert ELSEWHERE.keys() <= {line for one in pages() for line in _lines(one)}
    for _, test in ELSEWHERE.values():
        file, _, name = test.partition("::")
        assert re.search(rf"^def {name}\(", (ROOT / "tests" / file).read_text(), re.MULTILINE), test
