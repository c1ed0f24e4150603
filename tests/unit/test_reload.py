"""Settings that change while the bot is at work: taken whole or not at all, and written down before they count."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

import handlers
from bot.errors import StoreError
from bot.model import Actor, Origin
from bot.permissions import Policy, Request
from bot.reload import CHANGED, REFUSED, Means, Reloader, Swapper
from bot.settings import Settings, SettingsError, read
from bot.signals import OnHangup
from bot.stores.audit import AuditEvent
from bot.wiring import policy_swapper, rules
from tests.fakes import FakeEngine
from tests.support.canaries import canary
from tests.support.house import at_work, from_slack, settings, wait_for

COMMANDS = handlers.load()
ANN = '[roles.keepers]\nmembers = ["U0ANN"]\nright = "admin"\n'
BOB = '[roles.keepers]\nmembers = ["U0BOB"]\nright = "operate"\n'
SECRET_AS_FILE = (
    f'[registries.hub]\nhost = "docker.io"\nusername = "bot"\npassword_file = "{canary("word") * 20}"\n'
)


class _Site:
    """A settings file, the policy made from it, and what reloading it wrote down."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "settings.toml"
        self.file.write_text(ANN)
        self.environment = {"SHIPKEEPER_STATE": str(directory), "SHIPKEEPER_SETTINGS": str(self.file)}
        self.recorded: list[AuditEvent] = []
        self.is_writable = True
        first = read(self.environment)
        self.policy = Policy(rules(first))
        self.swappers = [policy_swapper(self.policy)]
        self.first = first

    def _record(self, event: AuditEvent) -> None:
        if not self.is_writable:
            raise StoreError("The disk is full.")
        self.recorded.append(event)

    def reloader(self) -> Reloader:
        """One that has not started, and has seen the file as it is."""
        means = Means(
            read=lambda: read(self.environment),
            file=self.file,
            record=self._record,
            clock=lambda: datetime(2027, 1, 31, tzinfo=UTC),
        )
        return Reloader(self.first, self.swappers, means)

    def may(self, user: str, command: str = "backup") -> bool:
        """Whether that person may use the command now."""
        return self.policy.allows(
            Request(
                actor=Actor(id=user, name=user),
                origin=Origin.SLACK,
                channel=None,
                command=COMMANDS[command],
                targets=("volume:pgdata",),
            )
        )


@pytest.fixture
def site(tmp_path: Path) -> _Site:
    """A site whose keeper is Ann."""
    return _Site(tmp_path)


def _settled(reloader: Reloader) -> None:
    """Two looks, between which nobody wrote."""
    reloader.look()
    reloader.look()


def test_a_changed_file_counts_and_its_difference_is_written_down(site: _Site) -> None:
    """Old and new in words, setting by setting; nothing is written down when nothing changed."""
    reloader = site.reloader()
    _settled(reloader)
    assert site.recorded == []
    site.file.write_text(
        BOB + '[roles.view]\ngroups = ["S0OPS"]\nright = "view"\n[shell_users]\nann = "U0ANN"\n'
    )
    _settled(reloader)
    assert (site.may("U0ANN"), site.may("U0BOB"), site.may("U0BOB", "prune")) == (False, True, False)
    (event,) = site.recorded
    assert (event.kind, event.run_id, event.line) == (CHANGED, "", str(site.file))
    assert event.detail.splitlines() == [
        "roles.keepers.members: U0ANN -> U0BOB",
        "roles.keepers.right: admin -> operate",
        "roles.view.groups: nothing -> S0OPS",
        "roles.view.right: nothing -> view",
        "shell_users.ann: nothing -> U0ANN",
    ]
    _settled(reloader)
    assert len(site.recorded) == 1


def test_a_file_that_is_being_written_is_not_taken(site: _Site) -> None:
    """Half a file may be valid, and would deny everybody: two looks must see the same."""
    reloader = site.reloader()
    _settled(reloader)
    site.file.write_text("")
    reloader.look()
    site.file.write_text(ANN + BOB.replace("keepers", "others"))
    reloader.look()
    assert (site.may("U0ANN"), site.may("U0BOB"), site.recorded) == (True, False, [])
    reloader.look()
    assert (site.may("U0ANN"), site.may("U0BOB")) == (True, True)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("[roles.keepers\n", "is not TOML"),
        (BOB + 'channel = ["C0OPS"]\n', "did you mean channels?"),
        (BOB + "[limits]\nworkers = 0\n", "limits.workers"),
        (BOB.replace("operate", "rule"), "roles.keepers.right"),
        (BOB + SECRET_AS_FILE, "`password_file` names no file"),
        (None, "cannot be read"),
    ],
)
def test_an_error_refuses_all_of_it(site: _Site, wrong: str | None, said: str) -> None:
    """Also where the roles alone would be right; it is written down with the error, once, and a better file counts."""
    reloader = site.reloader()
    if wrong is None:
        site.file.unlink()
    else:
        site.file.write_text(wrong)
    for _ in range(2):
        _settled(reloader)
    assert (site.may("U0ANN"), site.may("U0BOB")) == (True, False)
    (event,) = site.recorded
    assert event.kind == REFUSED
    assert said in event.detail
    assert reloader.settings is site.first
    site.file.write_text(BOB)
    _settled(reloader)
    assert (site.may("U0ANN"), site.may("U0BOB")) == (False, True)


@pytest.mark.parametrize("error", [OSError(36, "File name too long", "the secret"), OverflowError("much")])
def test_what_reading_breaks_by_ends_no_watch(
    site: _Site, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """It is written down as refused, by its kind alone, and whoever loses a role afterwards has lost it."""
    is_broken = [True]

    def prepare(_: Settings) -> Callable[[], None]:
        if is_broken:
            raise error
        return lambda: None

    site.swappers.append(Swapper(sections=("limits.workers",), prepare=prepare))
    reloader = site.reloader()
    reloader.start()
    try:
        site.file.write_text(BOB)
        reloader.ask()
        wait_for(lambda: len(site.recorded) == 1, saying="the refusal")
        assert (site.may("U0ANN"), reloader.is_well) == (True, True)
        is_broken.clear()
        reloader.ask()
        wait_for(lambda: site.may("U0BOB"), saying="the change")
        assert not site.may("U0ANN")
    finally:
        reloader.stop()
    assert type(error).__name__ in site.recorded[0].detail
    assert "secret" not in site.recorded[0].detail + caplog.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_watch_that_died_says_so(site: _Site) -> None:
    """It is well until something that nobody foresaw ends its thread."""

    def broken(_: Settings) -> Callable[[], None]:
        raise NotImplementedError("nobody foresaw this")

    site.swappers.append(Swapper(sections=("limits.workers",), prepare=broken))
    reloader = site.reloader()
    assert reloader.is_well
    reloader.start()
    assert reloader.is_well
    reloader.ask()
    wait_for(lambda: not reloader.is_well, saying="the end of the watch")
    reloader.stop()


def test_one_who_cannot_take_them_stops_all(site: _Site) -> None:
    """Nothing is put into its place before everybody has agreed."""

    def refuse(_: Settings) -> Callable[[], None]:
        raise SettingsError("approvals.restore: there is no role “owners”")

    site.swappers.append(Swapper(sections=("limits.workers",), prepare=refuse))
    site.file.write_text(BOB)
    _settled(site.reloader())
    assert (site.may("U0ANN"), site.may("U0BOB")) == (True, False)
    assert [(one.kind, one.detail) for one in site.recorded] == [
        (REFUSED, "approvals.restore: there is no role “owners”")
    ]


def test_a_change_that_cannot_be_written_down_does_not_count(site: _Site) -> None:
    """It is tried again until it can."""
    reloader = site.reloader()
    site.file.write_text(BOB)
    site.is_writable = False
    for _ in range(2):
        _settled(reloader)
    assert (site.may("U0ANN"), site.may("U0BOB")) == (True, False)
    site.is_writable = True
    reloader.look()
    assert (site.may("U0ANN"), site.may("U0BOB")) == (False, True)
    assert [one.kind for one in site.recorded] == [CHANGED]


def test_what_needs_a_restart_is_named(site: _Site, caplog: pytest.LogCaptureFixture) -> None:
    """In the log, once; it changes nothing else, and is no change of the policy."""
    reloader = site.reloader()
    site.file.write_text(ANN + '[limits]\nworkers = 9\n[hosts.prod]\naddress = "tcp://prod:1"\n')
    _settled(reloader)
    assert "count after a restart: hosts.prod, limits.workers" in caplog.text
    assert site.recorded == []
    caplog.clear()
    reloader.look(was_asked=True)
    assert caplog.text == ""


def test_a_key_of_a_section_may_be_taken_alone(site: _Site) -> None:
    """Whoever registers for `limits.workers` gets that, and of it the difference is written down."""
    taken: list[int] = []

    def prepare(fresh: Settings) -> Callable[[], None]:
        return lambda: taken.append(fresh.limits.workers)

    site.swappers.append(Swapper(sections=("limits.workers",), prepare=prepare))
    site.file.write_text(ANN + "[limits]\nworkers = 9\ngrace = 5\n")
    _settled(site.reloader())
    assert taken == [9]
    assert [one.detail for one in site.recorded] == ["limits.workers: 4 -> 9"]


def test_a_hangup_has_them_read_at_once(site: _Site) -> None:
    """By signal, on the reloader's own thread, while the handler is over at once."""
    reloader = site.reloader()
    reloader.start()
    try:
        with OnHangup(reloader.ask):
            site.file.write_text(BOB)
            os.kill(os.getpid(), signal.SIGHUP)
            wait_for(lambda: site.may("U0BOB"), saying="the change")
    finally:
        reloader.stop()
        reloader.stop()


def test_a_change_of_the_file_is_seen(site: _Site) -> None:
    """Without a signal, within seconds, also when the file is replaced by one of the same size and time."""
    reloader = site.reloader()
    reloader.start()
    try:
        before = site.file.stat()
        other = site.file.with_suffix(".new")
        other.write_text(ANN.replace("U0ANN", "U0BOB"))
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
        other.replace(site.file)
        wait_for(lambda: site.may("U0BOB"), saying="the change")
    finally:
        reloader.stop()


def test_readers_see_the_old_or_the_new_and_never_a_mixture(site: _Site) -> None:
    """Ann has one role or the other: at no moment both, and at no moment none."""
    first = (
        '[roles.a]\nmembers = ["U0ANN"]\nright = "operate"\n[roles.b]\nmembers = ["U0BOB"]\nright = "view"\n'
    )
    second = first.replace("U0ANN", "U0TMP").replace("U0BOB", "U0ANN").replace("U0TMP", "U0BOB")
    site.file.write_text(first)
    reloader = site.reloader()
    reloader.look(was_asked=True)
    over, seen, looks = threading.Event(), set(), [0]

    def watch() -> None:
        while not over.is_set():
            seen.add(tuple(role.name for role in site.policy.roles_of(Actor(id="U0ANN", name="ann"))))
            looks[0] += 1

    readers = [threading.Thread(target=watch) for _ in range(4)]
    for reader in readers:
        reader.start()
    for text in (second, first) * 15:
        site.file.write_text(text)
        reloader.look(was_asked=True)
    wait_for(lambda: looks[0] > 1_000, saying="a thousand looks")
    over.set()
    for reader in readers:
        reader.join()
    assert seen <= {("a",), ("b",)}
    assert len(site.recorded) == 31


def test_the_road_goes_by_the_new_roles(tmp_path: Path) -> None:
    """The built house's policy is the one that is replaced, and its audit log the one that is written."""
    made = settings(tmp_path / "state", toml=ANN)
    file = tmp_path / "state" / "settings.toml"
    environment = {"SHIPKEEPER_STATE": str(tmp_path / "state"), "SHIPKEEPER_SETTINGS": str(file)}
    engine = FakeEngine()
    engine.add_volume("pgdata", {"a": b"a"})
    with at_work(made, {"local": engine}) as house:
        means = Means(
            read=lambda: read(environment), file=file, record=house.app.record, clock=house.app.services.clock
        )
        reloader = Reloader(made, house.app.swappers, means)
        assert house.say(from_slack("volumes", user="U0BOB")).status == "denied"
        file.write_text(BOB)
        reloader.look(was_asked=True)
        assert house.say(from_slack("volumes", user="U0BOB")).status == "succeeded"
        assert house.say(from_slack("volumes", user="U0ANN")).status == "denied"
        kinds = [line.event.kind for line in house.app.services.audit.lines(limit=20)]
        assert kinds.count(CHANGED) == 1
        assert house.app.services.audit.check_chain().broken_at is None
