"""`audit` as people use it: filters, pages, verifying, exports; and what an entry tells, without secrets."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

import handlers
from bot import cli, offline
from bot.engine.witness import Call
from bot.errors import StoreError
from bot.model import Outcome, Status
from bot.seals import Head
from bot.stores.heads import Heads
from bot.witnessing import Witnessing, on_behalf_of
from tests.fakes import FakeEngine
from tests.support.house import House, at_work, from_slack, refuse_untrue, settings


def _rows(outcome: Outcome, column: str) -> list[object]:
    table = outcome.reply.table
    assert table is not None, outcome.reply.text
    return [row[table.columns.index(column)] for row in table.rows]


def test_audit_is_filtered(house: House) -> None:
    """By person, command, target, host, day and ending, alone and together; what no calendar has is refused."""
    today = datetime.now(UTC).date()
    done = house.say(from_slack("backup pgdata")).run_id
    house.say(from_slack("backup nothing", user="U0ADA"))
    for words in ("--by U0ANN", "--by u0ann", "--target volume:pgdata", "--target pgdata", f"--run {done}"):
        assert _rows(house.say(f"audit {words}"), "run") == [done, done], words
    assert _rows(house.say("audit --ending succeeded --command backup"), "run") == [done]
    both = house.say(f"audit --host local --since {today} --until {today} --ending rejected --by u0ada")
    assert _rows(both, "command") == ["backup nothing"]
    for words in ("--by eve", "--host beta", f"--until {today - timedelta(days=1)}", "--target volume:pg"):
        assert house.say(f"audit {words}").reply.table is None, words
    assert house.say("audit --since 2027-02-30").status is Status.REJECTED
    assert house.say("audit --volume a1 --target volume:a1").status is Status.REJECTED


def test_audit_has_pages(house: House) -> None:
    """Older entries are a button away, and there is no page behind the last one."""
    house.say("backup pgdata")
    outcome = house.say("audit --limit 1")
    assert "2 entries; 1 to 1 are shown, page 1 of 2" in outcome.reply.text
    assert [button.line for button in outcome.reply.buttons] == ["audit --page 2 --limit 1"]
    assert _rows(house.say("audit --page 3 --limit 1"), "event") == ["started"]
    assert house.say("audit --page 99").status is Status.REJECTED


def test_audit_verify_tells_what_is_wrong(tmp_path: Path, fake_engine: FakeEngine) -> None:
    """A whole log is called whole; of one that was changed the entry is named, and what was done to it."""
    with at_work(settings(tmp_path / "state"), {"local": fake_engine}) as house:
        house.say("backup pgdata")
        assert "All 2 entries fit their seals" in house.say("audit verify").reply.text
        with house.app.database.write() as connection:
            connection.execute(text("DROP TRIGGER audit_no_DELETE"))
            connection.execute(text("DELETE FROM audit WHERE seq = 2"))
        outcome = house.say("audit verify")
        assert outcome.status is Status.FAILED
        assert "Entries 2 to 2 are missing" in outcome.reply.text
        assert house.say("audit verify --head 1:2").status is Status.REJECTED


@pytest.mark.parametrize("form", ["jsonl", "csv"])
@pytest.mark.parametrize("words", ["", " --target volume:pgdata"])
def test_audit_export_is_a_file_that_verifies(house: House, tmp_path: Path, form: str, words: str) -> None:
    """What is exported verifies without the house, whole or filtered; a changed one does not."""
    house.say(from_slack("backup pgdata --note =1+1"))
    outcome = house.say(f"audit export --format {form}{words}")
    (file,) = outcome.reply.attachments
    path = house.app.services.outgoing.hand_over(outcome.run_id, file, tmp_path)
    assert cli.main(["audit", "verify", str(path)], {}) == 0
    assert cli.main(["audit", "verify", str(path), "--head", f"2:{'0' * 64}"], {}) == 1
    path.write_bytes(path.read_bytes().replace(b"backup pgdata", b"backup other1", 1))
    assert cli.main(["audit", "verify", str(path)], {}) == 1
    assert cli.main(["audit", "verify", str(path), "more"], {}) == 2


def _exported(house: House, place: Path, words: str = "") -> str:
    """The path of an export."""
    place.mkdir()
    outcome = house.say(from_slack(f"audit export{words}"))
    (file,) = outcome.reply.attachments
    return str(house.app.services.outgoing.hand_over(outcome.run_id, file, place))


def test_a_head_agrees_only_if_its_entry_is_there(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of heads whose entries a filtered export left out it is said that they were not compared."""
    house.say(from_slack("backup pgdata"))
    inside, outside = [f"{line.seq}:{line.hash}" for line in house.app.services.audit.lines(limit=2)]
    path = _exported(house, tmp_path / "filtered", " --ending succeeded")
    assert cli.main(["audit", "verify", path, "--head", outside], {}) == 0
    told = capsys.readouterr().out
    assert "agrees" not in told
    assert "One published head is of an entry that the export does not hold" in told
    assert cli.main(["audit", "verify", path, "--head", outside, "--head", inside], {}) == 0
    told = capsys.readouterr().out
    assert "One published head agrees. One published head is of an entry" in told


@pytest.mark.parametrize("key", [None, "a key of some length"])
def test_an_export_is_not_cut_because_the_log_went_on(
    tmp_path: Path, fake_engine: FakeEngine, key: str | None
) -> None:
    """Heads of later are told as newer; without a key, one of before the export's time still finds a cut end."""
    given = {"SHIPKEEPER_AUDIT_KEY": key} if key else {}
    with at_work(settings(tmp_path / "state", **given), {"local": fake_engine}) as house:
        house.say("backup pgdata")
        path = _exported(house, tmp_path / "whole")
        house.say("backup pgdata")
        head = house.app.services.audit.head()
    assert head is not None
    now, raw = datetime.now(UTC), key.encode() if key else None
    for at, is_newer in ((now, True), (now - timedelta(hours=1), key is not None), (None, key is not None)):
        file = Head(seq=head.seq, hash=head.hash, at=at.isoformat() if at else "")
        if is_newer:
            told = _verified_with(file, path, tmp_path, raw)
            assert "fit their seals, one over the other. One published head is newer than the export" in told
        else:
            with pytest.raises(StoreError, match="The end was cut off: entries 3 to 5"):
                _verified_with(file, path, tmp_path, raw)


def _verified_with(head: Head, path: str, place: Path, key: bytes | None) -> str:
    """What `shipkeeper audit verify` says with a head, typed if it has no time, else in a file."""
    if not head.at:
        return offline.verified([path, "--head", str(head)], key).text
    file = place / f"heads-{len(list(place.iterdir()))}.jsonl"
    Heads(file).publish(head)
    return offline.verified([path, "--heads", str(file)], key).text


def test_secrets_are_not_in_the_audit_log(tmp_path: Path, fake_engine: FakeEngine) -> None:
    """Neither those of the settings nor what only looks like one is written down, in line, name or detail."""
    token = "xoxb-1234567890-abcdefghij"
    made = settings(tmp_path / "state", SLACK_BOT_TOKEN=token, SHIPKEEPER_AUDIT_KEY="the very secret key")
    with at_work(made, {"local": fake_engine}) as house:
        house.say(f"backup pgdata --note {token}")
        house.say("backup 'the very secret key'")
        house.say("backup pgdata --note 'password=hunter22 https://ann:hunter22@example.com'")
        log = repr(house.app.services.audit.lines(limit=99))
        assert not any(secret in log for secret in (token, "the very secret key", "hunter22"))
        assert "password=…" in log
        refuse_untrue(house.app)


def test_an_entry_tells_of_plan_time_reason_and_versions(house: House, fake_engine: FakeEngine) -> None:
    """Beginning and ending name the same plan; the ending how long it took, and why it failed."""
    fake_engine.known_version = "20.10.24"
    fake_engine.faults.cut_at_byte = 2000
    run = house.say("backup pgdata").run_id
    ending, started = house.app.services.audit.lines(limit=9, run_id=run)
    plan = house.run(run).plan
    assert plan is not None
    assert started.event.facts["plan"] == ending.event.facts["plan"] == plan.digest
    assert ending.event.facts["engine"] == "20.10.24"
    assert ending.event.facts["reason"] == "stream-cut"
    assert float(str(ending.event.facts["took_seconds"])) >= 0
    assert "shipkeeper" in started.event.facts


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory that a shell's environment names, and beside it a directory for files."""
    settings(tmp_path / "state")
    for name in ("SHIPKEEPER_STATE", "SHIPKEEPER_SETTINGS"):
        monkeypatch.setenv(name, str(tmp_path / "state" / ("settings.toml" if "SETTINGS" in name else "")))
    (tmp_path / "there").mkdir()
    return tmp_path


def test_an_export_of_a_shell_goes_where_it_is_told(
    at_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--files` names the directory; one that is not there is refused before anything is done."""
    commands = handlers.load()
    assert cli.main(["audit", "--limit", "1"], commands) == 0
    assert cli.main(["audit", "export", "--files", str(at_home / "there")], commands) == 0
    (file,) = (at_home / "there").iterdir()
    assert cli.main(["audit", "verify", str(file)], commands) == 0
    assert list((at_home / "state" / "outgoing").iterdir()) == []
    assert cli.main(["audit", "export", "--files", str(at_home / "nowhere")], commands) == 2
    assert "There is no directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    ["--key n1", "--files {}", "--key=n1 --json", "--host local", "--volume pgdata", "--by ann --files {}"],
)
def test_what_the_shell_knows_of_every_command_is_no_file(
    at_home: Path, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    """`audit verify` with the options of a shell, or with other flags, verifies the log itself."""
    line = ["audit", "verify", *words.format(at_home / "there").split()]
    assert cli.main(line, handlers.load()) == 0, capsys.readouterr().err
    assert "fit their seals" in capsys.readouterr().out


def test_a_verified_file_is_told_as_json(at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the outcome of any other command is, wherever the option stands."""
    commands = handlers.load()
    assert cli.main(["audit", "export", "--files", str(at_home / "there")], commands) == 0
    (file,) = (at_home / "there").iterdir()
    for line in (
        ["audit", "verify", str(file), "--json"],
        ["--json", "audit", "verify", "--key", "n", str(file)],
    ):
        capsys.readouterr()
        assert cli.main(line, commands) == 0
        outcome = json.loads(capsys.readouterr().out)
        assert (outcome["command"], outcome["status"], outcome["run_id"]) == ("audit", "succeeded", "")
        assert "fit their seals" in outcome["text"]


def test_a_key_fetches_the_files_of_its_run_again(at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same key means the same run, with the same files, and not an error."""
    line = ["audit", "export", "--key", "nightly", "--files", str(at_home / "there")]
    assert [cli.main(line, handlers.load()) for _ in range(2)] == [0, 0]
    first, second = (at_home / "there").iterdir()
    assert first.read_bytes() == second.read_bytes()
    assert capsys.readouterr().err == ""


def test_a_run_whose_file_has_no_place_is_told_as_done(
    at_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What came of it is printed all the same, then that it is over and where the file lies, with a code of its own."""
    line = ["audit", "export", "--json", "--key", "nightly", "--files", str(at_home / "there")]
    assert [cli.main(line, handlers.load()) for _ in range(2)] == [0, 0]
    capsys.readouterr()
    assert cli.main(line, handlers.load()) == 4
    told = capsys.readouterr()
    outcome = json.loads(told.out)
    assert (outcome["status"], outcome["files"]) == ("succeeded", [])
    assert f"Run {outcome['run_id']} is over: do not send the command again." in told.err
    (kept,) = (at_home / "state" / "outgoing").iterdir()
    assert str(kept) in told.err


def test_calls_to_docker_are_listed_when_they_are_asked_for(house: House) -> None:
    """They do not push what people did off the page; of one run, or with `--calls`, they are there."""
    run = house.run(house.say("backup pgdata").run_id)
    with on_behalf_of(run):
        witness = Witnessing()
        witness.bind(house.app.services.audit, house.app.services.clock)
        for _ in range(30):
            witness(Call(host="local", method="POST", path="/containers/1/pause"))
    assert "docker" not in _rows(house.say("audit"), "event")
    for words in ("--calls", f"--run {run.id}"):
        assert "POST /containers/1/pause" in _rows(house.say(f"audit {words}"), "command")
    assert house.say("audit verify").status is Status.SUCCEEDED
