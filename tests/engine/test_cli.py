"""The installed program, as a shell uses it, on a real engine: exit codes, words for people, JSON for programs."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.engine_available import require_engine
from tests.support.process import Site, outcome
from tests.support.yard import Yard, refuse_anything_untrue

pytestmark = pytest.mark.engine

FILES = "echo one > a && mkdir d && dd if=/dev/urandom of=d/b bs=1000 count=300 2>/dev/null && ln -s a link"


@pytest.fixture(scope="module")
def yard() -> Iterator[Yard]:
    """A place in the engine that answers."""
    made = Yard(require_engine())
    yield made
    made.close()


@pytest.fixture(scope="module")
def site(yard: Yard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A state directory without a bot; at the end everything in it must be true."""
    with Site(tmp_path_factory.mktemp("cli") / "state", docker_host=yard.url) as made:
        yield made
        refuse_anything_untrue(made, yard)


@pytest.fixture(scope="module")
def volume(yard: Yard) -> str:
    """A volume with a few files."""
    return yard.volume("pgdata", FILES)


@pytest.fixture(scope="module")
def backup(site: Site, volume: str) -> dict[str, Any]:
    """What `backup VOLUME --json` printed."""
    done = site.say("backup", volume, "--note", "before the upgrade", "--json")
    assert (done.returncode, done.stderr) == (0, ""), done
    return outcome(done)


def test_backup_prints_an_outcome_that_programs_can_read(backup: dict[str, Any], volume: str) -> None:
    """`--json` prints one object and nothing else; what it names is there."""
    assert (backup["command"], backup["status"]) == ("backup", "succeeded")
    facts = backup["facts"]
    assert (facts["volume"], facts["host"], facts["entries"]) == (volume, "local", 5)
    stored = Path(facts["file"]).read_bytes()
    assert (len(stored), hashlib.sha256(stored).hexdigest()) == (facts["stored_bytes"], facts["sha256"])
    assert json.loads(Path(facts["manifest"]).read_text())["note"] == "before the upgrade"


def test_a_backup_is_restored_by_hand(
    backup: dict[str, Any], yard: Yard, volume: str, tmp_path: Path
) -> None:
    """sha256sum, zstd and tar are enough to get the files back, without the bot."""
    missing = [program for program in ("sha256sum", "zstd", "tar") if shutil.which(program) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    file = Path(backup["facts"]["file"])
    by_hand = (
        f"echo '{backup['facts']['sha256']}  {file.name}' | sha256sum --check --strict && "
        f"zstd -dc {file.name} | tar -x -C {tmp_path}"
    )
    subprocess.run(["sh", "-ec", by_hand], cwd=file.parent, check=True, capture_output=True)
    assert (tmp_path / "volume" / "a").read_text() == "one\n"
    assert (tmp_path / "volume" / "link").readlink() == Path("a")
    try:
        original = (yard.mountpoint(volume) / "d" / "b").read_bytes()
    except PermissionError:
        pytest.skip("looking into a volume from outside needs root")
    assert (tmp_path / "volume" / "d" / "b").read_bytes() == original


def test_a_person_reads_what_was_done(site: Site, backup: dict[str, Any], volume: str) -> None:
    """Without `--json` there is a mark, a sentence, facts with their units, and the run."""
    done = site.say("verify", backup["run_id"])
    assert done.returncode == 0, done.stderr
    assert f"✅ Backup {backup['run_id']} of {volume} is whole" in done.stdout
    assert "Raw:" in done.stdout
    assert " kB" in done.stdout
    assert "succeeded" in done.stdout.splitlines()[-1]
    assert backup["run_id"] in site.say("backups").stdout


def test_restore_fills_a_new_volume_and_refuses_an_old_one(
    site: Site, yard: Yard, backup: dict[str, Any], volume: str
) -> None:
    """Exit 0 for a new volume; exit 2, and nothing touched, for one that exists."""
    into = f"{volume}-copy"
    done = site.say("restore", backup["run_id"], "--into", into, "--json")
    yard.volumes.append(into)
    assert done.returncode == 0, done.stdout
    assert (outcome(done)["facts"]["volume"], outcome(done)["facts"]["entries"]) == (into, 5)
    again = site.say("restore", backup["run_id"], "--into", into, "--json")
    assert again.returncode == 2, again.stdout
    assert f"Volume {into} exists already. It was not touched." in outcome(again)["text"]


@pytest.mark.parametrize(("line", "column"), [("backups", "backup"), ("runs", "run"), ("audit", "run")])
def test_lists_hold_the_backup(
    site: Site, backup: dict[str, Any], volume: str, line: str, column: str
) -> None:
    """The rows come as objects for programs."""
    run_id = backup["run_id"]
    as_json = site.say(line, "--json")
    assert as_json.returncode == 0
    (*_, row) = [row for row in outcome(as_json)["rows"] if row[column] == run_id]
    assert volume in (
        row.get("volume"),
        *str(row.get("line", "")).split(),
        *str(row.get("command", "")).split(),
    )


def test_help_and_whoami_answer_a_shell(site: Site) -> None:
    """`help` lists the commands, `help backup` explains one, `whoami` says what a shell may do."""
    listed = site.say("help", "--json")
    examples = " ".join(row["example"] for row in outcome(listed)["rows"])
    assert listed.returncode == 0
    assert all(name in examples for name in ("backup", "restore", "verify", "cancel", "audit", "whoami"))
    one = site.say("help", "backup")
    assert one.returncode == 0
    assert "--quiesce" in one.stdout
    me = site.say("whoami")
    assert me.returncode == 0
    assert "administrator" in me.stdout


def test_cancel_of_what_is_over_or_never_was_is_rejected(site: Site, backup: dict[str, Any]) -> None:
    """Exit 2 and a sentence; the run keeps its ending."""
    over = site.say("cancel", backup["run_id"], "--json")
    assert (over.returncode, outcome(over)["status"]) == (2, "rejected")
    assert "is over already" in outcome(over)["text"]
    never = site.say("cancel", "00000000")
    assert never.returncode == 2
    assert "There is no run 00000000" in never.stdout
    assert site.status_of(backup["run_id"]) == "succeeded"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("backup", "{volume}", "--quiece", "pause"), "--quiesce"),
        (("backup", "{volume}", "--quiesce", "hold"), "pause"),
        (("bakcup", "{volume}"), "backup"),
        (("backup",), "VOLUME"),
        (("backup", "{volume}x"), "{volume}"),
        (("verify", "ffffffff"), "no backup ffffffff"),
    ],
)
def test_what_cannot_be_meant_is_rejected_with_the_nearest_name(
    site: Site, volume: str, words: tuple[str, ...], says: str
) -> None:
    """Exit 2; the text names what was probably meant and that nothing was changed; no backup is made."""
    before = len(site.files(".manifest.json"))
    done = site.say(*(word.format(volume=volume) for word in words), "--json")
    assert done.returncode == 2, done
    assert outcome(done)["status"] == "rejected"
    assert says.format(volume=volume) in outcome(done)["text"]
    assert len(site.files(".manifest.json")) == before


def test_no_words_and_help_show_how_to_call_it(site: Site) -> None:
    """Alone it prints the usage and exits 2; asked for it with `--help`, 0."""
    nothing, asked = site.say(), site.say("--help")
    assert (nothing.returncode, asked.returncode) == (2, 0)
    assert nothing.stdout == asked.stdout
    assert "shipkeeper serve" in asked.stdout


def test_all_settings_errors_are_shown_together(tmp_path: Path) -> None:
    """Exit 1; every mistake in the file is named, a line each, and the nearest key is offered."""
    with Site(tmp_path / "state", docker_host="unix:///nowhere.sock") as site:
        (site.state / "settings.toml").write_text(
            '[slak]\nlisten = "x"\n[limits]\nworkers = 0\nstal = 3\n[roles.ops]\nmembers = ["ann"]\nright = "view"\n'
        )
        done = site.say("backups")
    assert (done.returncode, done.stdout) == (1, "")
    for mistake in (
        "slak",
        "did you mean slack",
        "workers",
        "did you mean stall",
        "'ann' is not a Slack user id",
    ):
        assert mistake in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--version",), 0, "shipkeeper "),
        (("serve", "--help"), 0, "Exit codes: 0 succeeded"),
        (("serve", "now"), 2, "“now” is one too many. Nothing was done."),
        (("demo", "now"), 2, "Usage: shipkeeper demo"),
        (("backups", "--key"), 2, "--key needs a value"),
    ],
)
def test_wrong_words_of_the_program_itself_are_rejected(
    tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    """Exit 2 with a sentence, as for a wrong command line; its version and its help are no mistakes."""
    with Site(tmp_path / "state", docker_host="unix:///nowhere.sock") as site:
        done = site.say(*words)
    assert (done.returncode, said in done.stdout + done.stderr) == (code, True), done


def test_in_a_pipe_a_row_is_one_line(site: Site, backup: dict[str, Any], volume: str) -> None:
    """What `grep` and `awk` read is not folded to the width of a screen."""
    listed = site.say("audit", "--volume", volume)
    rows = [line.rstrip() for line in listed.stdout.splitlines()]
    (started,) = [row for row in rows if " started " in row and row.endswith(backup["run_id"])]
    assert "before the upgrade" in started
    assert " UTC " in started


def test_serving_without_tokens_says_which_are_missing(tmp_path: Path) -> None:
    """Exit 1, and each variable by its name."""
    with Site(tmp_path / "state", docker_host="unix:///nowhere.sock") as site:
        done = site.say("serve")
    assert done.returncode == 1
    assert "SLACK_BOT_TOKEN" in done.stderr
    assert "SLACK_APP_TOKEN" in done.stderr
    assert "Traceback" not in done.stderr


def test_docker_that_is_down_is_a_failed_run_with_a_sentence(tmp_path: Path) -> None:
    """Exit 1; it says that Docker does not answer and that nothing was changed; lists still work."""
    with Site(tmp_path / "state", docker_host=f"unix://{tmp_path}/none.sock") as site:
        done = site.say("backup", "pgdata", "--json")
        listed = site.say("backups")
    assert done.returncode == 1, done
    assert outcome(done)["status"] == "failed"
    assert "Docker on host “local”" in outcome(done)["text"]
    assert "Nothing was changed" in outcome(done)["text"]
    assert "Traceback" not in done.stderr
    assert listed.returncode == 0
