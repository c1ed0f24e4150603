"""Creating and removing volumes: who may, what is refused, what confirms, and how it is taken back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.engine import RUN_LABEL
from bot.model import Outcome, Status
from tests.fakes import FakeEngine
from tests.support.house import House, at_work, from_slack, refuse_untrue, settings

ROLES = """
[roles.keepers]
members = ["U0ANN"]
right = "admin"
[roles.crew]
members = ["U0BOB"]
right = "operate"
targets = ["volume:new*", "volume:pgdata"]
"""


@pytest.fixture
def house(tmp_path: Path, fake_engine: FakeEngine) -> Iterator[House]:
    """A house whose crew may operate, and not administrate; the volume `spare` is used by nobody."""
    fake_engine.add_volume("spare", {"a": b"one", "d/b": b"three"})
    with at_work(settings(tmp_path / "state", toml=ROLES), {"local": fake_engine}) as made:
        yield made
        refuse_untrue(made.app)


def _is(outcome: Outcome, status: Status, words: str = "") -> Outcome:
    assert (outcome.status, words in outcome.reply.text) == (status, True), outcome.reply.text
    return outcome


def _is_there(engine: FakeEngine, name: str) -> bool:
    return name in {volume.name for volume in engine.volumes()}


# ---- create-volume ------------------------------------------------------------------------------------


def test_a_created_volume_says_who_made_it(house: House, fake_engine: FakeEngine) -> None:
    """It has the labels that were asked for, the run's, and the asker's id."""
    made = _is(
        house.say(from_slack("create-volume new1 --label a=1 --label b=x=y", user="U0BOB")), Status.SUCCEEDED
    )
    volume = fake_engine.volume("new1")
    assert volume.labels == {"a": "1", "b": "x=y", RUN_LABEL: made.run_id, "shipkeeper.by": "U0BOB"}
    assert volume.driver == "local"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("create-volume pgdata", "already"),
        ("create-volume new1 --label a=1 --label a=2", "given twice"),
        ("create-volume new1 --label shipkeeper.run=7f3a2c1b", "not for people to give"),
        ("create-volume new1 --label a", "is not NAME=VALUE"),
        ("create-volume x", "is not the name of a volume"),
    ],
)
def test_what_cannot_be_created(house: House, fake_engine: FakeEngine, line: str, words: str) -> None:
    """A taken name, a label twice, and one of our own labels are refused; nothing comes into being."""
    before = fake_engine.volumes()
    _is(house.say(line), Status.REJECTED, words)
    assert fake_engine.volumes() == before


def test_options_need_an_administrator(house: House, fake_engine: FakeEngine) -> None:
    """With options a volume can show any directory of the host: the right to operate is not enough."""
    bind = "create-volume new1 --option type=none --option o=bind --option device=/etc"
    for line in (bind, "create-volume new1 --driver sshfs"):
        _is(house.say(from_slack(line, user="U0BOB")), Status.DENIED)
    assert not _is_there(fake_engine, "new1")
    _is(house.say(from_slack(bind, user="U0ANN")), Status.SUCCEEDED)
    assert fake_engine.volume("new1").options == {"type": "none", "o": "bind", "device": "/etc"}


def test_undo_removes_what_was_created(house: House, fake_engine: FakeEngine) -> None:
    """`undo` of a create-volume removes the empty volume, once."""
    made = house.say("create-volume new1").run_id
    _is(house.say(f"undo {made}"), Status.SUCCEEDED, "is removed")
    assert not _is_there(fake_engine, "new1")
    _is(house.say(f"undo {made}"), Status.REJECTED, "is gone")


def test_undo_leaves_what_is_used_filled_or_anothers(house: House, fake_engine: FakeEngine) -> None:
    """A volume that is mounted, that holds something, or that somebody else made under that name since stays."""
    made = house.say("create-volume new1").run_id
    fake_engine.add_container("user", ["new1"])
    _is(house.say(f"undo {made}"), Status.REJECTED, "is used by user")
    fake_engine.remove_container("user")
    fake_engine.put_file("new1", "file", b"work")
    _is(house.say(f"undo {made}"), Status.REJECTED, "is not empty any more")
    fake_engine.remove_volume("new1")
    fake_engine.add_volume("new1")
    _is(house.say(f"undo {made}"), Status.REJECTED, "somebody else made one")
    assert _is_there(fake_engine, "new1")


# ---- remove-volume ------------------------------------------------------------------------------------


def test_a_plan_is_shown_and_its_button_removes(house: House, fake_engine: FakeEngine) -> None:
    """First nothing is removed, and what would be lost is told; the button's line removes, and offers it back."""
    taken = house.say("backup spare").run_id
    asked = _is(house.say("remove-volume spare"), Status.PARTIAL, "Nothing was removed yet.")
    assert _is_there(fake_engine, "spare")
    for words in (
        "4 entries, 8 B in files",
        f"backup is {taken}",
        "nothing in it changed",
        f"restore {taken} --into spare",
    ):
        assert words in asked.reply.text
    button, _ = asked.reply.buttons
    assert (button.danger, f"`{button.line}`" in asked.reply.text) == (True, True)
    gone = _is(house.say(button.line), Status.SUCCEEDED, "does not list it any more")
    assert not _is_there(fake_engine, "spare")
    _is(house.say(gone.reply.buttons[0].line), Status.SUCCEEDED)
    assert fake_engine.files("spare") == {"a": b"one", "d/b": b"three"}


def test_a_used_volume_is_not_removed(house: House, fake_engine: FakeEngine) -> None:
    """Its users are named, whatever they do, even when a backup is there and the code is right."""
    house.say("backup spare")
    line = house.say("remove-volume spare").reply.buttons[0].line
    fake_engine.add_container("old", ["spare"], state="exited")
    fake_engine.add_container("peek", binds={fake_engine.place("spare"): "/there"})
    for asked in ("remove-volume spare", "remove-volume spare --without-backup", line):
        _is(house.say(asked), Status.REJECTED, "is used by old (exited), peek (running)")
    assert _is_there(fake_engine, "spare")


def test_an_unprotected_volume_is_not_removed(house: House, fake_engine: FakeEngine) -> None:
    """Without a verified backup, or with one that is older than a change, it stays unless that is said."""
    _is(house.say("remove-volume spare"), Status.REJECTED, "has no verified backup")
    house.say("backup spare")
    fake_engine.put_file("spare", "d/new", b"later")
    _is(house.say("remove-volume spare"), Status.REJECTED, "1 added, 0 removed, 0 changed (d/new)")
    asked = _is(house.say("remove-volume spare --without-backup"), Status.PARTIAL, "would be lost")
    _is(house.say(asked.reply.buttons[0].line), Status.SUCCEEDED)
    assert not _is_there(fake_engine, "spare")


def test_a_volume_without_any_backup_can_go(house: House, fake_engine: FakeEngine) -> None:
    """Who says so may remove what nothing brings back, and is told that before and after."""
    asked = _is(house.say("remove-volume spare --without-backup"), Status.PARTIAL, "nothing brings it back")
    gone = _is(house.say(asked.reply.buttons[0].line), Status.SUCCEEDED, "No verified backup holds")
    assert [button.label for button in gone.reply.buttons] == ["Details"]
    assert not _is_there(fake_engine, "spare")


def _dumped(house: House, fake_engine: FakeEngine) -> str:
    """A verified dump of a database that used the volume and is gone; its run."""
    fake_engine.add_container("pg", {"spare": "/var/lib/postgresql/data"}, image="postgres:16")
    whole = (
        b"--\n-- PostgreSQL database cluster dump\n--\n"
        b"--\n-- PostgreSQL database cluster dump complete\n--\n\n"
    )
    fake_engine.programs["pg"] = lambda _: (whole, "", 0)
    made = _is(house.say("backup spare --dump"), Status.SUCCEEDED).run_id
    fake_engine.remove_container("pg")
    return made


def test_a_dump_brings_no_volume_back(house: House, fake_engine: FakeEngine) -> None:
    """Whatever else is verified, a volume with nothing but dumps only goes by `--without-backup`, and that is told."""
    dump = _dumped(house, fake_engine)
    _is(
        house.say("remove-volume spare"),
        Status.REJECTED,
        f"{dump} of volume spare is a database's dump",
    )
    asked = _is(house.say("remove-volume spare --without-backup"), Status.PARTIAL, f"dump {dump} ")
    assert "--into" not in asked.reply.text
    gone = _is(house.say(asked.reply.buttons[0].line), Status.SUCCEEDED, "No verified backup holds")
    assert [button.label for button in gone.reply.buttons] == ["Details"]


def test_a_dump_hides_no_backup_of_the_files(house: House, fake_engine: FakeEngine) -> None:
    """A younger dump neither takes the place of the files' backup nor keeps changes since then from being seen."""
    taken = house.say("backup spare").run_id
    _dumped(house, fake_engine)
    asked = _is(house.say("remove-volume spare"), Status.PARTIAL, f"`restore {taken} --into spare`")
    fake_engine.put_file("spare", "late", b"work")
    _is(house.say(asked.reply.buttons[0].line), Status.REJECTED, f"newest verified backup {taken}: 1 added")
    assert _is_there(fake_engine, "spare")


def test_who_goes_without_a_backup_is_promised_no_more_than_it_holds(house: House) -> None:
    """Where nobody looked what changed, the answer says how old what comes back is, and that the rest is lost."""
    taken = house.say("backup spare").run_id
    line = house.say("remove-volume spare --without-backup").reply.buttons[0].line
    gone = _is(
        house.say(line), Status.SUCCEEDED, f"restore {taken} --into spare --host local` brings back what"
    )
    assert "what changed since then, if anything, is lost" in gone.reply.text


def test_an_outdated_confirmation_says_what_changed(house: House, fake_engine: FakeEngine) -> None:
    """A code of a plan before another backup, or of a volume that was made anew, removes nothing."""
    house.say("backup spare")
    line = house.say("remove-volume spare").reply.buttons[0].line
    second = house.say("backup spare").run_id
    _is(house.say(line), Status.REJECTED, f"its newest verified backup is backup {second} now")
    line = house.say("remove-volume spare").reply.buttons[0].line
    fake_engine.remove_volume("spare")
    fake_engine.add_volume("spare")
    _is(house.say(f"{line} --without-backup"), Status.REJECTED, "it was made anew")
    other = line.replace("spare", "pgdata")
    fake_engine.remove_container("db")
    _is(house.say(f"{other} --without-backup"), Status.REJECTED, "the code is of another")
    assert _is_there(fake_engine, "spare")
    assert _is_there(fake_engine, "pgdata")


def test_a_change_between_plan_and_confirmation_is_seen(house: House, fake_engine: FakeEngine) -> None:
    """The volume is looked at again when it is confirmed: what was written meanwhile keeps it from being removed."""
    house.say("backup spare")
    line = house.say("remove-volume spare").reply.buttons[0].line
    fake_engine.put_file("spare", "late", b"work")
    _is(house.say(line), Status.REJECTED, "was changed since")
    assert _is_there(fake_engine, "spare")


def test_what_keeps_its_size_and_its_time_is_seen(house: House, fake_engine: FakeEngine) -> None:
    """A file that was written, or replaced by another, with its old size and time keeps the volume from going."""
    house.say("backup spare")
    _is(
        house.say("remove-volume spare"), Status.PARTIAL, "so what was written or replaced since then is seen"
    )
    fake_engine.put_file("spare", "a", b"two")
    _is(house.say("remove-volume spare"), Status.REJECTED, "0 added, 0 removed, 1 changed (a)")
    house.say("backup spare")
    line = _is(house.say("remove-volume spare"), Status.PARTIAL).reply.buttons[0].line
    fake_engine.tree("spare").remove("d/b")
    fake_engine.put_file("spare", "d/b", b"other")
    _is(house.say(line), Status.REJECTED, "0 added, 0 removed, 1 changed (d/b)")
    assert _is_there(fake_engine, "spare")


def test_removing_needs_an_administrator(house: House, fake_engine: FakeEngine) -> None:
    """The right to operate is not enough, and an unknown volume is named with the nearest."""
    _is(house.say(from_slack("remove-volume pgdata", user="U0BOB")), Status.DENIED)
    _is(house.say("remove-volume spear"), Status.REJECTED, "“spare”")
    assert _is_there(fake_engine, "pgdata")


def test_a_volume_that_stays_is_no_success(house: House) -> None:
    """Docker's word is not believed: a volume that is listed afterwards makes the run fail."""
    line = house.say("remove-volume spare --without-backup").reply.buttons[0].line
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeEngine, "remove_volume", lambda *_: None)
        _is(house.say(line), Status.FAILED, "still lists it")


def test_the_last_moment_is_dockers(house: House, fake_engine: FakeEngine) -> None:
    """A container that mounts it after the last look keeps the volume: Docker refuses, and so do we."""
    line = house.say("remove-volume spare --without-backup").reply.buttons[0].line
    fake_engine.faults.before["remove_volume"] = [lambda engine: engine.add_container("late", ["spare"])]
    _is(house.say(line), Status.REJECTED, "in use")
    assert fake_engine.files("spare") == {"a": b"one", "d/b": b"three"}
