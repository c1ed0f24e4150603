"""Each command over the fake engine: what it answers when all is well, and when it is not."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

import handlers
from bot.command import Command
from bot.commandline import from_slack as slack_text
from bot.commandline import repair, split
from bot.errors import Conflict, EngineError, LostHold
from bot.model import Outcome, Plan, Right, Status
from bot.parsing import parse
from bot.slack.mrkdwn import columns
from bot.stores.audit import AuditEvent
from bot.stores.claims import Claim, Claims, Ending
from tests.fakes import FakeEngine
from tests.support.house import House, at_work, from_slack, refuse_untrue, settings, wait_for

MISSING = "00000000"


def _rows(outcome: Outcome, column: str) -> list[object]:
    table = outcome.reply.table
    assert table is not None, outcome.reply.text
    return [row[table.columns.index(column)] for row in table.rows]


def _refused(house: House, line: str, words: str, status: Status = Status.REJECTED) -> None:
    outcome = house.say(line)
    assert (outcome.status, words in outcome.reply.text) == (status, True), outcome.reply.text


# ---- what every command is ----------------------------------------------------------------------------


@pytest.mark.parametrize("command", handlers.load().values(), ids=lambda command: command.name)
def test_a_command_explains_itself(command: Command) -> None:
    """Each has a summary without a full stop, and examples that are its own and can be read."""

    assert command.summary[0].isupper()
    assert not command.summary.endswith(".")
    for example in (*command.examples, *command.shell_examples):
        words = split(example)
        assert words[0] == command.name
        parse(command, words[1:])
    assert command.examples or command.name == "whoami"


def test_modules_are_named_like_their_commands() -> None:
    """`handlers/backup.py` holds `backup`: the name of a command leads to its file, with `_` for `-`."""
    files = {file.stem for file in Path(handlers.__file__).parent.glob("*.py")} - {"__init__"}
    assert files == {name.replace("-", "_") for name in handlers.load()}


# ---- backup, backups, verify, restore -----------------------------------------------------------------


HOSTS = """
[hosts.alpha]
address = "unix:///nowhere/alpha.sock"
[hosts.beta]
address = "unix:///nowhere/beta.sock"
"""


@pytest.fixture
def two_hosts(tmp_path: Path) -> Iterator[tuple[House, dict[str, FakeEngine]]]:
    """A house with two Docker hosts, both with a volume `pgdata`; alpha is the default."""
    engines = {name: FakeEngine(name) for name in ("alpha", "beta")}
    for name, engine in engines.items():
        engine.add_volume("pgdata", {"host": name.encode()})
    made = settings(tmp_path / "state", toml=HOSTS)
    with at_work(made, dict(engines)) as house:
        yield house, engines
        refuse_untrue(house.app)


def test_a_backup_is_restored_where_it_was_taken(two_hosts: tuple[House, dict[str, FakeEngine]]) -> None:
    """Without `--host` a copy is made on the backup's own host; with it, on the one that is named."""
    house, engines = two_hosts
    taken = house.say("backup pgdata --host beta").run_id
    for line, there, elsewhere in (
        (f"restore {taken} --into copy1", "beta", "alpha"),
        (f"restore {taken} --into copy2 --host alpha", "alpha", "beta"),
    ):
        outcome = house.say(line)
        assert outcome.status is Status.SUCCEEDED, outcome.reply.text
        into = str(outcome.reply.facts["volume"])
        assert outcome.reply.facts["host"] == there
        assert engines[there].files(into) == {"host": b"beta"}
        assert into not in {volume.name for volume in engines[elsewhere].volumes()}
        assert f"on host {there}." in str(house.run(outcome.run_id).plan)


def test_verifying_holds_the_volume_on_the_backups_host(
    two_hosts: tuple[House, dict[str, FakeEngine]],
) -> None:
    """`verify` is busy with the volume of the host that the backup is of, and of no other."""
    house, engines = two_hosts
    taken = house.say("backup pgdata --host beta").run_id
    engines["beta"].faults.stall_at_byte = 512
    holder = house.accept("backup pgdata --host beta")
    assert engines["beta"].faults.stalled.wait(10)
    _refused(house, f"verify {taken}", f"held by run {holder}")
    assert house.say("backup pgdata").status is Status.SUCCEEDED
    engines["beta"].faults.stall_at_byte = None
    engines["beta"].faults.go_on.set()
    assert house.ending(holder).status is Status.SUCCEEDED
    outcome = house.say(f"verify {taken}")
    assert (outcome.status, house.run(outcome.run_id).host) == (Status.SUCCEEDED, "beta")


def test_a_restore_whose_end_was_not_written_is_told_as_done(tmp_path: Path, fake_engine: FakeEngine) -> None:
    """The process dies after the volume was proven and kept, before its run had an ending: it was really done."""
    made = settings(tmp_path / "state")
    with at_work(made, {"local": fake_engine}) as house:
        taken = house.say("backup pgdata").run_id
    finish = Claims.finish
    with pytest.MonkeyPatch.context() as death:
        died = threading.Event()

        def finish_not(claims: Claims, claim: Claim, ending: Ending, event: AuditEvent) -> None:
            if claim.run.command == "restore":
                died.set()
                raise LostHold(claim.run.id)
            finish(claims, claim, ending, event)

        death.setattr(Claims, "finish", finish_not)
        with at_work(made, {"local": fake_engine}) as house:
            run_id = house.accept(f"restore {taken} --into copy")
            assert died.wait(10)
    with at_work(made, {"local": fake_engine}) as house:
        outcome = house.ending(run_id)
        assert (outcome.status, outcome.reply.facts["volume"]) == (Status.SUCCEEDED, "copy")
        assert fake_engine.files("copy") == fake_engine.files("pgdata")
        refuse_untrue(house.app)


def test_a_container_that_came_after_the_plan_is_not_touched(house: House, fake_engine: FakeEngine) -> None:
    """Only containers that the run holds are put to sleep."""
    with pytest.MonkeyPatch.context() as patch:
        start = Claims.start

        def start_late(claims: Claims, claim: Claim, plan: Plan, event: AuditEvent) -> None:
            start(claims, claim, plan, event)
            fake_engine.add_container("late", ["pgdata"])

        patch.setattr(Claims, "start", start_late)
        _refused(house, "backup pgdata --quiesce pause", "is not held by it")
    assert not house.app.services.archive.backups()
    assert {fake_engine.container(name).state for name in ("db", "late")} == {"running"}


def test_backup_tells_what_it_made(house: House, fake_engine: FakeEngine) -> None:
    """A backup names its file, its size and its checksum, and offers the next steps."""
    outcome = house.say('backup pgdata --quiesce stop --note "before the upgrade"')
    assert outcome.status is Status.SUCCEEDED
    (backup,) = house.app.services.archive.backups()
    facts = outcome.reply.facts
    assert (facts["backup"], facts["volume"], facts["host"]) == (backup.id, "pgdata", "local")
    assert (facts["sha256"], facts["entries"]) == (backup.manifest.stored.sha256, 5)
    assert Path(str(facts["file"])).stat().st_size == facts["stored_bytes"]
    assert [button.line for button in outcome.reply.buttons] == [
        f"verify {outcome.run_id}",
        f"restore {outcome.run_id}",
        f"details {outcome.run_id}",
    ]
    assert (backup.manifest.note, backup.manifest.quiesce.containers) == ("before the upgrade", ("db",))
    assert fake_engine.container("db").state == "running"
    plan = house.run(outcome.run_id).plan
    assert plan is not None
    assert plan.text == "Back up volume pgdata, with db stopped while it is read."
    assert plan.targets == ("volume:pgdata", "container:db")


def test_a_backup_that_is_not_whole_ends_as_partial(house: House, fake_engine: FakeEngine) -> None:
    """The run says so with a mark of its own, names the files and the reason, and lists stay honest."""
    fake_engine.faults.during = [(600, lambda host: host.tree("pgdata").rewrite("PG_VERSION", b"16\n"))]
    outcome = house.say("backup pgdata")
    assert outcome.status is Status.PARTIAL
    assert "“PG_VERSION” was changed" in outcome.reply.text
    facts = outcome.reply.facts
    assert (facts["problems"], facts["reason"]) == (1, "changed")
    (backup,) = house.app.services.archive.backups()
    assert (backup.is_ok, backup.manifest.outcome) == (False, "partial")


def test_backup_says_how_long_somebody_slept(house: House) -> None:
    """With a container asleep there is a downtime; without one there is no such fact."""
    slept = house.say("backup pgdata --quiesce stop").reply.facts
    assert isinstance(slept["downtime_seconds"], float)
    assert "downtime_seconds" not in house.say("backup pgdata").reply.facts


def test_backup_of_a_path(house: House, fake_engine: FakeEngine) -> None:
    """A path is backed up under its own name and holds its own target; a volume’s mount point is that volume."""
    fake_engine.add_container(
        "web", {"pgdata": "/data"}, binds={"/host/site": "/srv"}, files={"/etc/a": b"a"}
    )
    fake_engine.add_directory("/host/site", {"index": b"<html>"})
    for line, volume, targets in (
        ("backup web:/srv/", "web:/srv", ("path:/host/site", "volume:web:/srv")),
        ("backup web:/etc", "web:/etc", ("container:web", "volume:web:/etc")),
        ("backup web:/data/base", "web:/data/base", ("volume:pgdata", "volume:web:/data/base")),
        ("backup web:/data", "pgdata", ("volume:pgdata",)),
    ):
        outcome = house.say(line)
        assert outcome.status is Status.SUCCEEDED, outcome.reply.text
        assert outcome.reply.facts["volume"] == volume
        plan = house.run(outcome.run_id).plan
        assert plan is not None
        assert plan.targets == targets
    _refused(house, "backup web:/nowhere/../etc", "cannot be a path")
    _refused(house, "backup nobody:/etc", "no container")
    _refused(house, "backup web:/gone", "gone")


def test_backup_of_a_database_by_its_own_program(house: House, fake_engine: FakeEngine) -> None:
    """`--dump` runs it, and the run says by what; a dump that is not whole is a failure and leaves nothing."""
    home = {"pgdata": "/var/lib/postgresql/data"}
    fake_engine.add_container("base", home, labels={"shipkeeper.dump": "postgresql"})
    whole = (
        b"--\n-- PostgreSQL database cluster dump\n--\n" + b"x" * 2_000 + b"\n"
        b"-- PostgreSQL database cluster dump complete\n--\n\n"
    )
    fake_engine.programs["base"] = lambda _: (whole, "", 0)
    outcome = house.say("backup pgdata --dump")
    assert outcome.status is Status.SUCCEEDED, outcome.reply.text
    assert "pg_dumpall" in str(outcome.reply.facts["dump"])
    fake_engine.programs["base"] = lambda _: (whole[:-30], "", 0)
    _refused(house, "backup pgdata", "no whole postgresql dump", Status.FAILED)
    _refused(house, "backup pgdata --dump --quiesce stop", "exclude each other")
    assert len(house.app.services.archive.backups()) == 1


def test_a_role_for_volumes_reaches_no_paths_of_the_host(tmp_path: Path, fake_engine: FakeEngine) -> None:
    """Patterns are compared with what is read, not with what was typed."""
    toml = '[roles.a]\nmembers = ["U0ANN"]\nright = "operate"\ntargets = ["volume:pg*"]\n'
    fake_engine.add_container("web", {"pgdata": "/data"}, binds={"/etc": "/srv"})
    with at_work(settings(tmp_path / "state", toml=toml), {"local": fake_engine}) as house:
        assert house.say(from_slack("backup web:/data/base")).status is Status.SUCCEEDED
        for line in ("backup web:/srv", "backup web:/usr"):
            assert house.say(from_slack(line)).status is Status.DENIED
        refuse_untrue(house.app)


def test_no_link_leads_past_a_role(tmp_path: Path, fake_engine: FakeEngine) -> None:
    """A volume that is named by way of a link in the container is that volume, to roles, to holds and in the plan."""
    toml = (
        '[roles.a]\nmembers = ["U0ANN"]\nright = "operate"\ntargets = ["container:*", "volume:web:*"]\n'
        '[roles.b]\nmembers = ["U0BOB"]\nright = "operate"\ntargets = ["volume:secrets"]\n'
    )
    fake_engine.add_volume("secrets", {"key": b"k"})
    fake_engine.add_container("web", ["secrets"], files={"/etc/a": b"a"})
    fake_engine.layer("web").symlink("/alias", "/")
    with at_work(settings(tmp_path / "state", toml=toml), {"local": fake_engine}) as house:
        assert house.say(from_slack("backup web:/alias/etc", user="U0ANN")).status is Status.SUCCEEDED
        for line in ("backup web:/alias/v0", "backup web:/alias/v0/key"):
            assert house.say(from_slack(line, user="U0ANN")).status is Status.DENIED
        outcome = house.say(from_slack("backup web:/alias/v0", user="U0BOB"))
        assert (outcome.status, outcome.reply.facts["volume"]) == (Status.SUCCEEDED, "secrets")
        plan = house.run(outcome.run_id).plan
        assert plan is not None
        assert plan.targets == ("volume:secrets",)
        assert "lead there from web:/alias/v0" in plan.text
        refuse_untrue(house.app)


def test_a_backup_whose_end_was_not_written_is_told_as_done(tmp_path: Path, fake_engine: FakeEngine) -> None:
    """What was published before the process died is told from its manifest, partial or not."""
    made = settings(tmp_path / "state")
    finish = Claims.finish
    fake_engine.faults.during = [(600, lambda host: host.put_file("pgdata", "late", b"x"))]
    with pytest.MonkeyPatch.context() as death:
        died = threading.Event()

        def finish_not(claims: Claims, claim: Claim, ending: Ending, event: AuditEvent) -> None:
            if claim.run.command == "backup":
                died.set()
                raise LostHold(claim.run.id)
            finish(claims, claim, ending, event)

        death.setattr(Claims, "finish", finish_not)
        with at_work(made, {"local": fake_engine}) as house:
            run_id = house.accept("backup pgdata")
            assert died.wait(10)
    with at_work(made, {"local": fake_engine}) as house:
        outcome = house.ending(run_id)
        assert (outcome.status, outcome.reply.facts["problems"]) == (Status.PARTIAL, 1)
        refuse_untrue(house.app)


def test_backup_of_nothing(house: House) -> None:
    """A volume or host that is not there is refused with the nearest name."""
    _refused(house, "backup pgdat", "Did you mean “pgdata”?")
    _refused(
        house, "backup pgdata --host lokal", "There is no host lokal in the settings; did you mean local?"
    )


def test_backup_without_docker(house: House, fake_engine: FakeEngine) -> None:
    """When Docker does not answer, the backup failed and nothing is there."""
    fake_engine.faults.down = True
    _refused(house, "backup pgdata", "does not answer", Status.FAILED)
    fake_engine.faults.down = False
    assert not house.app.services.archive.backups()


def test_backups_lists_them(house: House, fake_engine: FakeEngine) -> None:
    """The newest comes first; a volume or a limit narrows the list; none is a sentence."""
    assert house.say("backups").reply.text == "0 backups."
    fake_engine.add_volume("logs", {"a": b"b"})
    ids = [house.say(f"backup {name}").run_id for name in ("pgdata", "logs", "pgdata")]
    outcome = house.say("backups")
    assert sorted(map(str, _rows(outcome, "backup"))) == sorted(ids)
    assert set(_rows(house.say("backups logs"), "backup")) == {ids[1]}
    limited = house.say("backups --limit 1")
    assert limited.reply.text == "3 backups; 1 to 1 are shown, page 1 of 3."
    assert len(_rows(limited, "backup")) == 1
    assert house.say("backups --host nowhere").reply.text == "0 backups."


def test_backups_tells_of_damage(tmp_path: Path, fake_engine: FakeEngine) -> None:
    """A backup whose file is gone is not counted as one, and is named."""
    with at_work(settings(tmp_path / "state"), {"local": fake_engine}) as house:
        house.say("backup pgdata")
        (backup,) = house.app.services.archive.backups()
        backup.files.tar.unlink()
        outcome = house.say("backups")
        assert "1 damaged and not counted" in outcome.reply.text
        assert house.say(f"verify {backup.manifest.run_id}").status is not Status.SUCCEEDED
        assert house.say(f"restore {backup.manifest.run_id}").status is not Status.SUCCEEDED


def test_verify(house: House) -> None:
    """A whole backup verifies, by its id or by its file's name; one that is not there is not found."""
    made = house.say("backup pgdata")
    for name in (made.run_id, made.reply.facts["backup"]):
        outcome = house.say(f"verify {name}")
        assert outcome.status is Status.SUCCEEDED, outcome.reply.text
        assert outcome.reply.facts["raw_bytes"] == made.reply.facts["raw_bytes"]
    _refused(house, f"verify {MISSING}", MISSING)


def test_verify_finds_a_changed_byte(tmp_path: Path, fake_engine: FakeEngine) -> None:
    """One changed byte in the stored file is a failure, and nothing is restored from it."""
    with at_work(settings(tmp_path / "state"), {"local": fake_engine}) as house:
        made = house.say("backup pgdata")
        file = Path(str(made.reply.facts["file"]))
        held = bytearray(file.read_bytes())
        held[len(held) // 2] ^= 1
        file.chmod(0o600)
        file.write_bytes(held)
        assert house.say(f"verify {made.run_id}").status is Status.FAILED
        assert house.say(f"restore {made.run_id} --into copy").status is Status.FAILED
        assert [volume.name for volume in fake_engine.volumes()] == ["pgdata"]


def test_restore_makes_a_new_volume(house: House, fake_engine: FakeEngine) -> None:
    """A restore fills a volume of a new name with what was there; the old one is not touched."""
    made = house.say("backup pgdata")
    before = fake_engine.files("pgdata")
    fake_engine.put_file("pgdata", "PG_VERSION", b"16\n")
    outcome = house.say(f"restore {made.run_id}")
    assert outcome.status is Status.SUCCEEDED, outcome.reply.text
    assert outcome.reply.facts["volume"] == f"pgdata-restored-{made.run_id}"
    assert fake_engine.files(f"pgdata-restored-{made.run_id}") == before
    assert fake_engine.files("pgdata")["PG_VERSION"] == b"16\n"
    assert house.say(f"restore {made.run_id} --into other").reply.facts["volume"] == "other"


def test_restore_never_overwrites(house: House, fake_engine: FakeEngine) -> None:
    """A volume that exists is refused and stays as it was; so is a backup that is not there."""
    made = house.say("backup pgdata")
    fake_engine.put_file("pgdata", "PG_VERSION", b"16\n")
    _refused(house, f"restore {made.run_id} --into pgdata", "exists already")
    assert fake_engine.files("pgdata")["PG_VERSION"] == b"16\n"
    _refused(house, f"restore {MISSING}", MISSING)


def test_restore_that_fails_leaves_nothing(house: House, fake_engine: FakeEngine) -> None:
    """When filling breaks off, the new volume is gone again."""
    made = house.say("backup pgdata")
    fake_engine.faults.write_fails_at_byte = 1_000
    _refused(house, f"restore {made.run_id} --into copy", "failed after", Status.FAILED)
    assert [volume.name for volume in fake_engine.volumes()] == ["pgdata"]


# ---- restore --replace, undo ------------------------------------------------------------------------------


def test_restore_replaces_and_undo_brings_back(house: House, fake_engine: FakeEngine) -> None:
    """The volume holds the backup’s content, then what it held before, then the backup’s again: an undo has an undo."""
    made = house.say("backup pgdata")
    saved = fake_engine.files("pgdata")
    fake_engine.put_file("pgdata", "PG_VERSION", b"16\n")
    fake_engine.put_file("pgdata", "new", b"later")
    present = fake_engine.files("pgdata")
    replaced = house.say(f"restore {made.run_id} --replace")
    assert replaced.status is Status.SUCCEEDED, replaced.reply.text
    assert fake_engine.files("pgdata") == saved
    assert fake_engine.container("db").state == "running"
    button, _ = replaced.reply.buttons
    assert (button.line, button.danger) == (f"undo {replaced.run_id}", True)
    safety = house.app.services.archive.find(replaced.run_id)
    assert (replaced.reply.facts["safety"], safety.manifest.purpose) == (safety.id, "safety")
    plan = house.run(replaced.run_id).plan
    assert plan is not None
    assert plan.targets == ("volume:pgdata", "container:db")
    undone = house.say(button.line)
    assert undone.status is Status.SUCCEEDED, undone.reply.text
    assert fake_engine.files("pgdata") == present
    again = house.say(f"undo {undone.run_id}")
    assert again.status is Status.SUCCEEDED, again.reply.text
    assert fake_engine.files("pgdata") == saved


def test_undo_of_a_part_brings_back_that_part(house: House, fake_engine: FakeEngine) -> None:
    """What changed elsewhere in the volume since then stays."""
    made = house.say("backup pgdata")
    fake_engine.put_file("pgdata", "PG_VERSION", b"16\n")
    replaced = house.say(f"restore {made.run_id} --replace --path PG_VERSION")
    assert replaced.status is Status.SUCCEEDED, replaced.reply.text
    assert fake_engine.files("pgdata")["PG_VERSION"] == b"15\n"
    fake_engine.put_file("pgdata", "base/1/table", b"newer")
    undone = house.say(f"undo {replaced.run_id}")
    assert undone.status is Status.SUCCEEDED, undone.reply.text
    assert fake_engine.files("pgdata") == {"PG_VERSION": b"16\n", "base/1/table": b"newer"}


def test_what_cannot_be_undone(house: House, fake_engine: FakeEngine) -> None:
    """Anything but a replacement that was done is refused, and the sentence says what can be."""
    made = house.say("backup pgdata")
    copied = house.say(f"restore {made.run_id}")
    for run_id in (made.run_id, copied.run_id):
        _refused(house, f"undo {run_id}", "What can be undone is")
    _refused(house, f"undo {MISSING}", MISSING)
    fake_engine.faults.failing = {"exchange": EngineError("The engine does not answer.")}
    failed = house.say(f"restore {made.run_id} --replace")
    assert failed.status is Status.FAILED
    fake_engine.faults.failing = {}
    _refused(house, f"undo {failed.run_id}", "What can be undone is")


def test_an_undo_ends_after_a_week(tmp_path: Path, fake_engine: FakeEngine) -> None:
    """Then the safety backup may be pruned; the sentence says what to type instead."""
    with at_work(settings(tmp_path / "state"), {"local": fake_engine}) as house:
        made = house.say("backup pgdata")
        replaced = house.say(f"restore {made.run_id} --replace")
        later = dataclasses.replace(
            house.app.services, clock=lambda: datetime.now(UTC) + timedelta(days=7, minutes=1)
        )
        command = handlers.load()["undo"]
        assert command.targets is not None
        with pytest.raises(Conflict, match=r"more than 7 days old.*restore .* --replace"):
            command.targets(parse(command, [replaced.run_id]), later)


def test_a_dry_run_changes_nothing(house: House, fake_engine: FakeEngine) -> None:
    """It says what would be done and who would stop, holds nothing, and refuses what would be refused."""
    made = house.say("backup pgdata")
    fake_engine.put_file("pgdata", "PG_VERSION", b"16\n")
    before = fake_engine.files("pgdata")
    for line, words in (("--replace", "db will be stopped"), ("--into copy", "the new volume copy")):
        outcome = house.say(f"restore {made.run_id} {line} --dry-run")
        assert outcome.status is Status.SUCCEEDED, outcome.reply.text
        assert words in outcome.reply.text
        assert outcome.reply.text.endswith("Nothing was changed.")
        assert outcome.reply.facts["needed_bytes"] == made.reply.facts["raw_bytes"]
        plan = house.run(outcome.run_id).plan
        assert plan is not None
        assert plan.targets == ()
    _refused(house, f"restore {made.run_id} --into pgdata --dry-run", "exists already")
    _refused(house, f"restore {made.run_id} --replace --quiesce none --dry-run", "used by db")
    assert fake_engine.files("pgdata") == before
    assert len(house.app.services.archive.backups()) == 1
    assert [volume.name for volume in fake_engine.volumes()] == ["pgdata"]


def test_replacing_what_is_used_may_be_refused(house: House, fake_engine: FakeEngine) -> None:
    """With `--quiesce none` nobody is stopped: a running user is a refusal that names it."""
    made = house.say("backup pgdata")
    _refused(house, f"restore {made.run_id} --replace --quiesce none", "used by db")
    fake_engine.pause(fake_engine.container("db"))
    _refused(house, f"restore {made.run_id} --replace", "db is paused")
    fake_engine.unpause(fake_engine.container("db"))


def test_replacing_a_volume_that_is_gone_makes_it_anew(house: House, fake_engine: FakeEngine) -> None:
    """Under its own name and with its labels; there is nothing to bring back, so there is no undo."""
    made = house.say("backup pgdata")
    saved = fake_engine.files("pgdata")
    fake_engine.remove_container("db")
    fake_engine.remove_volume("pgdata")
    outcome = house.say(f"restore {made.run_id} --replace")
    assert outcome.status is Status.SUCCEEDED, outcome.reply.text
    assert fake_engine.files("pgdata") == saved
    assert [button.label for button in outcome.reply.buttons] == ["Details"]
    _refused(house, f"undo {outcome.run_id}", "What can be undone is")


def test_roles_for_volumes_replace_no_paths_of_the_host(tmp_path: Path, fake_engine: FakeEngine) -> None:
    """What is asked of a role is what really is replaced, not what the backup is called."""
    toml = '[roles.a]\nmembers = ["U0ANN"]\nright = "operate"\ntargets = ["volume:*"]\n'
    fake_engine.add_directory("/host/site", {"index": b"<html>"})
    fake_engine.add_container("web", binds={"/host/site": "/srv"})
    with at_work(settings(tmp_path / "state", toml=toml), {"local": fake_engine}) as house:
        made = house.say("backup web:/srv")
        assert made.status is Status.SUCCEEDED, made.reply.text
        assert house.say(from_slack(f"restore {made.run_id} --into copy")).status is Status.SUCCEEDED
        assert house.say(from_slack(f"restore {made.run_id} --replace")).status is Status.DENIED
        assert house.say(f"restore {made.run_id} --replace").status is Status.SUCCEEDED
        refuse_untrue(house.app)


def test_a_replacement_whose_end_was_not_written_is_told_as_done(
    tmp_path: Path, fake_engine: FakeEngine
) -> None:
    """The process dies behind the exchange: it was really done, and can be undone."""
    made = settings(tmp_path / "state")
    with at_work(made, {"local": fake_engine}) as house:
        taken = house.say("backup pgdata").run_id
    saved = fake_engine.files("pgdata")
    fake_engine.put_file("pgdata", "PG_VERSION", b"16\n")
    with pytest.MonkeyPatch.context() as death:
        died = threading.Event()

        def finish_not(_claims: Claims, claim: Claim, _ending: Ending, _event: AuditEvent) -> None:
            died.set()
            raise LostHold(claim.run.id)

        death.setattr(Claims, "finish", finish_not)
        with at_work(made, {"local": fake_engine}) as house:
            run_id = house.accept(f"restore {taken} --replace --path PG_VERSION")
            assert died.wait(10)
    with at_work(made, {"local": fake_engine}) as house:
        outcome = house.ending(run_id)
        assert outcome.status is Status.SUCCEEDED, outcome.reply.text
        assert fake_engine.files("pgdata") == saved
        assert house.say(f"undo {run_id}").status is Status.SUCCEEDED
        assert fake_engine.files("pgdata")["PG_VERSION"] == b"16\n"
        refuse_untrue(house.app)


@contextmanager
def _once_started(change: Callable[[], object]) -> Iterator[None]:
    """Something changes after a run's plan was permitted and before it is carried out."""
    start = Claims.start

    def start_late(claims: Claims, claim: Claim, plan: Plan, event: AuditEvent) -> None:
        start(claims, claim, plan, event)
        change()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Claims, "start", start_late)
        yield


def test_a_replacement_touches_only_what_was_permitted(house: House, fake_engine: FakeEngine) -> None:
    """A user that came later, or a volume that is gone since, ends `restore` and `undo` before they do anything."""
    made = house.say("backup pgdata").run_id
    done = house.say(f"restore {made} --replace").run_id
    lines = (f"restore {made} --replace", f"undo {done}")
    for number, line in enumerate(lines):
        with _once_started(lambda number=number: fake_engine.add_container(f"late{number}", ["pgdata"])):  # type: ignore[misc]
            _refused(house, line, "is not held by it")
    for name in ("db", "late0", "late1"):
        fake_engine.remove_container(name)
    for line in lines:
        with _once_started(lambda: fake_engine.remove_volume("pgdata")):
            _refused(house, line, "is not there any more")
        assert not fake_engine.volumes()
        fake_engine.add_volume("pgdata", {"a": b"made anew"})
    fake_engine.remove_volume("pgdata")
    for line in lines:
        with _once_started(lambda: fake_engine.add_volume("pgdata", {"a": b"made meanwhile"})):
            _refused(house, line, "is there now")
        assert fake_engine.files("pgdata") == {"a": b"made meanwhile"}
        fake_engine.remove_volume("pgdata")


def test_undo_of_what_was_not_there_before(house: House, fake_engine: FakeEngine) -> None:
    """It is refused as what replaced nothing, and what came stays."""
    made = house.say("backup pgdata")
    fake_engine.tree("pgdata").remove("PG_VERSION")
    replaced = house.say(f"restore {made.run_id} --replace --path PG_VERSION")
    assert replaced.status is Status.SUCCEEDED, replaced.reply.text
    assert [button.label for button in replaced.reply.buttons] == ["Details"]
    _refused(house, f"undo {replaced.run_id}", "has replaced nothing")
    assert fake_engine.files("pgdata")["PG_VERSION"] == b"15\n"


# ---- runs, cancel, audit --------------------------------------------------------------------------------


def test_runs_lists_them(house: House) -> None:
    """Newest first, narrowed by status and to one's own; the asking run itself is left out."""
    assert house.say("runs").reply.text == "No runs yet."
    done = house.say(from_slack("backup pgdata")).run_id
    bad = house.say("backup pgdat").run_id
    assert _rows(house.say("runs --status succeeded"), "run")[-2] == done
    assert _rows(house.say("runs --status rejected"), "run") == [bad]
    assert _rows(house.say(from_slack("runs --mine")), "run") == [done]
    assert len(_rows(house.say("runs --limit 2"), "run")) <= 2
    _refused(house, "runs --status sucess", "Did you mean succeeded?")


def test_cancel_of_what_is_over(house: House) -> None:
    """What has ended, or never was, cannot be cancelled."""
    done = house.say("backup pgdata").run_id
    _refused(house, f"cancel {done}", "is over already")
    _refused(house, f"cancel {MISSING}", f"There is no run {MISSING}")


def test_cancel_is_for_those_who_could_start_it(tmp_path: Path, fake_engine: FakeEngine) -> None:
    """One may cancel one's own run and what one might run oneself; others' runs go on."""
    toml = (
        '[roles.a]\nmembers = ["U0ANN"]\nright = "operate"\n'
        '[roles.c]\nmembers = ["U0CAL"]\ncommands = ["cancel"]\n'
        '[roles.o]\nmembers = ["U0OTT"]\nright = "operate"\ntargets = ["volume:other"]\n'
    )
    with at_work(settings(tmp_path / "state", toml=toml), {"local": fake_engine}) as house:
        fake_engine.faults.stall_at_byte = 512
        running = house.accept(from_slack("backup pgdata --quiesce pause"))
        assert fake_engine.faults.stalled.wait(10)
        for stranger in ("U0CAL", "U0OTT", "U0EVE"):
            refused = house.say(from_slack(f"cancel {running}", user=stranger))
            assert refused.status is Status.DENIED, stranger
        assert house.run(running).cancel_requested_by is None
        asked = house.say(from_slack(f"cancel {running}"))
        assert asked.status is Status.SUCCEEDED
        fake_engine.faults.go_on.set()
        assert house.ending(running).status is Status.CANCELLED
        refuse_untrue(house.app)


def test_cancel_of_what_waits(house: House, fake_engine: FakeEngine) -> None:
    """A run that has not begun is ended at once, and says so."""
    fake_engine.faults.stall_at_byte = 512
    first = house.accept("backup pgdata")
    assert fake_engine.faults.stalled.wait(10)
    waiting = house.accept("backup pgdata --wait")
    outcome = house.say(f"cancel {waiting}")
    assert outcome.status is Status.SUCCEEDED
    assert house.ending(waiting).status is Status.CANCELLED
    fake_engine.faults.go_on.set()
    assert house.ending(first).status is Status.SUCCEEDED


def test_audit_shows_the_record(house: House) -> None:
    """Who did what is shown newest first, narrowed to a volume or a run, with the chain checked."""
    done = house.say(from_slack("backup pgdata")).run_id
    house.say("backup nothing")
    assert _rows(house.say(f"audit --run {done}"), "event") == ["succeeded", "started"]
    assert _rows(house.say("audit --volume pgdata"), "by") == ["u0ann", "u0ann"]
    outcome = house.say("audit --limit 1")
    assert len(_rows(outcome, "line")) == 1
    assert "Those shown fit their seals" in outcome.reply.text


def test_audit_tells_of_a_change(tmp_path: Path, fake_engine: FakeEngine) -> None:
    """A log that was changed behind our back is no list but an alarm."""
    with at_work(settings(tmp_path / "state"), {"local": fake_engine}) as house:
        house.say("backup pgdata")
        with house.app.database.write() as connection:
            connection.execute(text("DROP TRIGGER audit_no_UPDATE"))
            connection.execute(text("UPDATE audit SET actor_name = 'eve' WHERE seq = 1"))
        outcome = house.say("audit")
        assert outcome.status is Status.FAILED
        assert "line 1 does not fit its seal" in outcome.reply.text


# ---- help, whoami, why -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["U0ANN", "U0EVE", "U0VAL"])
def test_help_shows_what_one_may_use(tmp_path: Path, fake_engine: FakeEngine, user: str) -> None:
    """The list holds exactly the commands that the asker may use there."""
    toml = (
        '[roles.a]\nmembers = ["U0ANN"]\nright = "admin"\n'
        '[roles.v]\nmembers = ["U0VAL"]\nright = "view"\nchannels = ["C0OPS"]\n'
    )
    rights = {"U0ANN": Right.ADMIN, "U0EVE": Right.NONE, "U0VAL": Right.VIEW}
    allowed = {name for name, c in handlers.load().items() if rights[user].includes(c.right)}
    with at_work(settings(tmp_path / "state", toml=toml), {"local": fake_engine}) as house:
        outcome = house.say(from_slack("help", user=user))
        assert {str(example).split()[0] for example in _rows(outcome, "example")} == allowed


def test_help_fits_into_a_message(house: House) -> None:
    """An administrator sees every command in Slack: the list is not cut there."""
    table = house.say(from_slack("help")).reply.table
    assert table is not None
    assert len(columns(table, 5_000).splitlines()) == 1 + len(handlers.load())


def test_help_explains_a_command(house: House) -> None:
    """`help COMMAND` shows its usage, its arguments and examples; an unknown one the nearest name."""
    outcome = house.say("help backup")
    assert "Usage: `backup VOLUME|CONTAINER:/PATH [--quiesce none|pause|stop]" in outcome.reply.text
    assert "--wait" in _rows(outcome, "argument")
    _refused(house, "help bakcup", "Did you mean backup?")


def test_whoami(house: House) -> None:
    """It shows the id that counts and the roles; a stranger has none, a shell is an administrator."""
    known = house.say(from_slack("whoami"))
    assert known.reply.facts == {"actor": "U0ANN", "roles": "operators", "origin": "slack"}
    stranger = house.say(from_slack("whoami", user="U0EVE"))
    assert "none: you may use `help` and `whoami`" in stranger.reply.text
    assert "administrator" in house.say("whoami").reply.text


@pytest.mark.parametrize(
    ("line", "user", "said"),
    [
        (
            "why backup pgdata",
            "U0ANN",
            "You may use `backup` on volume:pgdata, host local from here: granted by all.",
        ),
        (
            "why backup pgdata",
            "U0CAT",
            "You may not use `backup` on volume:pgdata, host local from here: none of ",
        ),
        ("why backup other1", "U0CAT", "You may use `backup` on volume:other1"),
        (
            "why backup volume:other1 --host prod --user U0CAT",
            "U0ANN",
            "U0CAT may not use `backup` on volume:other1, host prod",
        ),
        ("why exec db", "U0CAT", "You may not use `exec` on container:db"),
        ("why push team/app:1", "U0CAT", "You may not use `push` on image:team/app:1"),
        ("why backup web:/etc/nginx", "U0CAT", "You may not use `backup` on volume:web:/etc/nginx"),
        ("why whoami", "U0CAT", "You may use `whoami` from here: everybody may."),
        (
            "why backups --user U0EVE",
            "U0ANN",
            "there is no role to grant it. Roles that have `backups`: all, few.",
        ),
        ("why backup other1 --user U0CAT", "U0ANN", "U0CAT may use `backup` on volume:other1"),
        ("why backup other1 --user <@U0EVE|eve>", "U0ANN", "U0EVE may not use `backup` on volume:other1"),
    ],
)
def test_why_explains_a_decision(
    tmp_path: Path, fake_engine: FakeEngine, line: str, user: str, said: str
) -> None:
    """It says who may or may not, on what, and by which role."""
    toml = (
        '[roles.all]\nmembers = ["U0ANN"]\nright = "admin"\n'
        '[roles.few]\nmembers = ["U0CAT"]\nright = "operate"\ntargets = ["volume:other*"]\nhosts = ["local"]\n'
    )
    with at_work(settings(tmp_path / "state", toml=toml), {"local": fake_engine}) as house:
        outcome = house.say(from_slack(repair(slack_text(line)), user=user))
        assert outcome.status is Status.SUCCEEDED
        assert said in outcome.reply.text
        if user == "U0CAT" and "whoami" not in line:
            assert _rows(outcome, "role") == ["few"]


def test_why_says_which_part_does_not_match(house: House, tmp_path: Path, fake_engine: FakeEngine) -> None:
    """A role's parts are shown one by one: what it matches, and what it is for instead."""
    toml = '[roles.few]\nmembers = ["U0CAT"]\nright = "operate"\ntargets = ["volume:other*"]\n'
    with at_work(settings(tmp_path / "other", toml=toml), {"local": fake_engine}) as other:
        table = other.say(from_slack("why backup pgdata", user="U0CAT")).reply.table
        assert table is not None
        assert table.columns == ("role", "command", "target", "channel", "host")
        assert table.rows == (("few", "yes", "no, only volume:other*", "yes", "yes"),)
    assert "whoever has a shell here is an administrator" in house.say("why backup pgdata").reply.text


def test_why_of_somebody_else_is_for_administrators(house: House) -> None:
    """Others learn nothing of what a third person may do, and an unknown command has a nearest name."""
    refused = house.say(from_slack("why backup --user U0ANN", user="U0EVE"))
    assert refused.status is Status.DENIED
    assert house.say(from_slack("why backup --user U0EVE")).status is Status.SUCCEEDED
    _refused(house, "why bakcup", "Did you mean backup?")
    _refused(house, "why backup --user bob", "is not a person’s id in Slack")


def test_a_waiting_run_is_ended_only_by_who_may_do_it(tmp_path: Path, fake_engine: FakeEngine) -> None:
    """While a run waits nobody knows what it is about: a role for other volumes does not end it, its own does."""
    toml = (
        '[limits]\nworkers = 1\n[roles.all]\nmembers = ["U0ANN"]\nright = "operate"\n'
        '[roles.few]\nmembers = ["U0CAT"]\nright = "operate"\ntargets = ["volume:other*"]\n'
    )
    with at_work(settings(tmp_path / "state", toml=toml), {"local": fake_engine}) as house:
        fake_engine.faults.stall_at_byte = 512
        holder = house.accept(from_slack("backup pgdata"))
        assert fake_engine.faults.stalled.wait(10)
        waiting = house.accept(from_slack("backup pgdata --wait"))
        wait_for(lambda: house.run(waiting).command == "backup", saying="the decision")
        assert house.say(from_slack(f"cancel {waiting}", user="U0CAT")).status is Status.DENIED
        assert not house.run(waiting).status.is_ending
        assert house.say(from_slack(f"cancel {waiting}")).status is Status.SUCCEEDED
        fake_engine.faults.stall_at_byte = None
        fake_engine.faults.go_on.set()
        assert house.ending(holder).status is Status.SUCCEEDED
        assert house.ending(waiting).status is Status.CANCELLED
        refuse_untrue(house.app)
