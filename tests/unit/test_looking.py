"""Lists of what hosts have: what is in them, for whom, page by page, and when a host does not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.errors import EngineError, NotFound
from bot.language import speaking, spoken
from bot.model import Outcome, Status
from bot.operations.hostwide import ask_all
from bot.operations.paging import fits, line_for, page_of
from bot.reference import parse
from tests.fakes import FakeEngine
from tests.support.house import House, at_work, from_slack, settings

TOML = """
[hosts.alpha]
address = "unix:///nowhere/alpha.sock"
[hosts.beta]
address = "tcp://beta.example:2376"
[roles.keepers]
members = ["U0ANN"]
right = "admin"
[roles.shop]
members = ["U0CAT"]
right = "view"
targets = ["volume:shop-*", "container:shop-*", "image:docker.io/shop/*"]
channels = ["C0OPS"]
[roles.kennel]
members = ["U0DOG"]
right = "view"
targets = ["volume:kennel-*"]
"""


@pytest.fixture
def engines() -> dict[str, FakeEngine]:
    """Two hosts; alpha, the default one, runs a shop and a database."""
    alpha, beta = FakeEngine("alpha"), FakeEngine("beta")
    for name in ("shop-data", "shop-old", "pgdata"):
        alpha.add_volume(name, {"file": name.encode()})
    web = alpha.add_image("shop/web:1.4")
    for name in ("shop/web:latest", "internal/web:1"):
        alpha.tag(web.id, parse(name))
    dangling = alpha.add_image("shop/web:0.9")
    alpha.kept_images[dangling.id] = replace(dangling, references=(), size_bytes=70)
    alpha.add_image("postgres:16", **{"shipkeeper.run": "7f3a2c1b"})
    alpha.add_container("shop-web", ["shop-data"], image="shop/web:1.4", health="healthy")
    alpha.add_container("db", ["pgdata", "shop-data"], image="postgres:16", state="exited")
    alpha.create_helper("ours", "pgdata", run_id="r", read_only=True)
    beta.add_volume("shop-data")
    return {"alpha": alpha, "beta": beta}


@pytest.fixture
def looking(tmp_path: Path, engines: dict[str, FakeEngine]) -> Iterator[House]:
    """A house over both hosts."""
    with at_work(settings(tmp_path / "state", toml=TOML), dict(engines)) as made:
        yield made


def _rows(outcome: Outcome) -> list[dict[str, object]]:
    assert outcome.status is Status.SUCCEEDED, outcome.reply.text
    table = outcome.reply.table
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows] if table else []


def _names(house: House, line: str) -> list[object]:
    rows = _rows(house.say(line))
    return [row[line.split()[0].removesuffix("s")] for row in rows]


def test_containers_tell_state_health_and_what_they_use(looking: House) -> None:
    """Each row has the state since when, health, exit code, image and volumes; our own helpers are not there."""
    db, web = _rows(looking.say("containers"))
    assert (db["container"], db["state"], db["exit_code"], db["image"]) == ("db", "exited", 0, "postgres:16")
    assert (web["container"], web["state"], web["health"]) == ("shop-web", "running", "healthy")
    assert (db["volumes"], web["volumes"]) == ("pgdata, shop-data", "shop-data")
    assert str(web["since_at"]).startswith("2026-01-01T")


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("containers shop-*", ["shop-web"]),
        ("containers ?b", ["db"]),
        ("containers web", []),
        ("containers --state exited", ["db"]),
        ("containers --volume pgdata", ["db"]),
        ("containers --image shop/*", ["shop-web"]),
        ("volumes --unused", ["shop-old"]),
        ("volumes shop-*", ["shop-data", "shop-old"]),
        ("volumes --unprotected", ["pgdata", "shop-data", "shop-old"]),
        ("images --dangling", [""]),
        ("images shop/web", ["internal/web:1, shop/web:1.4, shop/web:latest"]),
        ("images --unused", [""]),
        ("hosts be*", ["beta"]),
    ],
)
def test_filters(looking: House, line: str, names: list[str]) -> None:
    """A name with * and ?, and the flags, leave exactly what was asked for."""
    assert _names(looking, line) == names


def test_volumes_tell_users_backups_and_sizes(looking: House, engines: dict[str, FakeEngine]) -> None:
    """The newest verified backup and its age are in the row; sizes only when they are asked for."""
    taken = looking.say("backup pgdata").run_id
    pgdata, data, _ = _rows(looking.say("volumes"))
    assert (pgdata["newest_backup"], pgdata["used_by"], pgdata["size_bytes"]) == (taken, "db", None)
    assert 0 <= float(str(pgdata["age_seconds"])) < 60
    assert (data["newest_backup"], data["used_by"]) == (None, "db, shop-web")
    assert _names(looking, "volumes --unprotected") == ["shop-data", "shop-old"]
    assert [row["size_bytes"] for row in _rows(looking.say("volumes --sizes"))] == [6, 9, 8]
    engines["alpha"].sizes_take = timedelta(hours=1)
    late = looking.say("volumes --sizes")
    assert [row["size_bytes"] for row in _rows(late)] == [None, None, None]
    assert "The sizes are missing" in late.reply.text


def test_a_failed_backup_does_not_protect(looking: House) -> None:
    """A backup that was found bad since counts for nothing here, too."""
    taken = looking.say("backup pgdata").run_id
    archive = looking.app.services.archive
    backup = archive.find(taken)
    with backup.files.tar.open("r+b") as file:
        file.write(b"\0\0\0\0")
    assert looking.say(f"verify {taken}").status is Status.FAILED
    assert "pgdata" in _names(looking, "volumes --unprotected")


def test_images_tell_size_users_and_the_run_that_made_them(looking: House) -> None:
    """Size in bytes, containers in any state, and the run of ours behind an image."""
    rows = {str(row["image"]): row for row in _rows(looking.say("images"))}
    assert rows["postgres:16"]["made_by_run"] == "7f3a2c1b"
    assert (rows["postgres:16"]["used_by"], rows[""]["size_bytes"]) == ("db", 70)


def test_only_what_the_roles_reach_is_shown(looking: House) -> None:
    """In Slack a row is there only for those who may touch it; names in cells likewise; the rest is counted."""

    def seen(line: str) -> Outcome:
        return looking.say(from_slack(line, user="U0CAT"))

    containers = seen("containers")
    assert [row["container"] for row in _rows(containers)] == ["shop-web"]
    assert "1 more is not shown" in containers.reply.text
    volumes = {str(row["volume"]): row for row in _rows(seen("volumes"))}
    assert set(volumes) == {"shop-data", "shop-old"}
    assert volumes["shop-data"]["used_by"] == "shop-web, 1 more"
    (image,) = _rows(seen("images"))
    assert image["image"] == "shop/web:1.4, shop/web:latest"
    said = str([seen(line).reply for line in ("containers", "volumes", "images")])
    assert "pgdata" not in said
    assert "'db'" not in said
    assert "internal" not in said


def test_runs_show_what_the_roles_reach_and_ones_own(looking: House) -> None:
    """Whose role is for the shop sees runs about the shop, and what they asked themselves; the rest is counted."""

    def seen(line: str, user: str) -> list[object]:
        return [row["line"] for row in _rows(looking.say(from_slack(line, user=user)))]

    for line in ("backup shop-data", "backup pgdata", "volumes pgdata", "backup shop-old", "whoami"):
        looking.say(from_slack(line, user="U0ANN"))
    none = looking.say(from_slack("runs --status succeeded --limit 1", user="U0CAT"))
    assert [row["line"] for row in _rows(none)] == ["backup shop-old"]
    assert "The newest run. 1 more is not shown" in none.reply.text
    assert looking.say(from_slack("backup pgdata", user="U0CAT")).status is Status.DENIED
    assert seen("runs --status denied", "U0CAT") == ["backup pgdata"], "their own"
    assert seen("runs --status succeeded --limit 4", "U0CAT")[-2:] == ["backup shop-old", "backup shop-data"]
    assert "pgdata" not in str(seen("runs --status succeeded", "U0CAT"))
    assert {"backup pgdata", "volumes pgdata", "whoami"} <= set(seen("runs", "U0ANN"))


def test_a_list_of_runs_is_full_behind_many_that_are_hidden(looking: House) -> None:
    """They are read on page by page, and the one that was asked for is found; who reaches nothing is told so."""
    looking.say(from_slack("backup shop-data", user="U0ANN"))
    for _ in range(6):
        looking.say(from_slack("volumes", user="U0ANN"))
    (row,) = _rows(looking.say(from_slack("runs --status succeeded --limit 1", user="U0CAT")))
    assert row["line"] == "backup shop-data"
    none = looking.say(from_slack("runs --status succeeded --limit 1", user="U0DOG")).reply
    assert (none.text.startswith("No runs that your roles reach. 8 more"), none.table) == (True, None)


def test_the_catalogue_shows_what_the_roles_reach(looking: House) -> None:
    """`check --rebuild` lists the sources that may be seen, and counts only those."""
    for name in ("shop-data", "pgdata"):
        looking.say(f"backup {name}")
    mine = looking.say(from_slack("check --rebuild", user="U0CAT"))
    assert [row["volume"] for row in _rows(mine)] == ["shop-data"]
    assert (mine.reply.facts["backups"], "1 more is not shown" in mine.reply.text) == (1, True)
    assert "pgdata" not in str(mine.reply)
    assert [row["volume"] for row in _rows(looking.say("check --rebuild"))] == ["pgdata", "shop-data"]


def test_a_stranger_sees_no_list(looking: House) -> None:
    """Without a role each list is denied."""
    for line in ("containers", "images", "volumes", "hosts", "runbooks"):
        assert looking.say(from_slack(line, user="U0EVE")).status is Status.DENIED


def test_all_hosts_are_listed_and_a_dead_one_is_named(looking: House, engines: dict[str, FakeEngine]) -> None:
    """`--all-hosts` shows every host's rows; of one that is down it says so, and shows the others."""
    rows = _rows(looking.say("volumes shop-data --all-hosts"))
    assert [row["host"] for row in rows] == ["alpha", "beta"]
    engines["beta"].faults.down = True
    half = looking.say("volumes shop-data --all-hosts")
    assert [row["host"] for row in _rows(half)] == ["alpha"]
    assert "“beta” does not answer" in half.reply.text
    assert looking.say("volumes --host beta").status is Status.FAILED
    both = looking.say("volumes --host beta --all-hosts")
    assert (both.status, "exclude each other" in both.reply.text) == (Status.REJECTED, True)


def test_hosts_tell_who_answers(looking: House, engines: dict[str, FakeEngine]) -> None:
    """A host that is down is in the list without a version, and the sentence says why."""
    alpha, beta = _rows(looking.say("hosts"))
    assert (alpha["default"], alpha["answers"], alpha["version"], alpha["volumes"]) == (
        True,
        True,
        "0.0.0",
        3,
    )
    assert (beta["default"], beta["address"]) == (False, "memory://beta")
    engines["beta"].faults.down = True
    down = looking.say("hosts")
    assert [row["answers"] for row in _rows(down)] == [True, False]
    assert "“beta” does not answer" in down.reply.text
    assert [row["answers"] for row in _rows(looking.say("hosts beta"))] == [False]


def test_a_mute_host_delays_nobody() -> None:
    """Hosts are asked side by side: one that says nothing costs its limit once, and the others have answered."""
    engines = {name: FakeEngine(name) for name in ("a", "b", "c", "d")}
    held = threading.Event()
    for name in ("b", "c"):
        engines[name].faults.before["survey"] = [lambda _: held.wait(20)]
    began = time.monotonic()
    answers = ask_all(dict(engines), lambda engine: engine.survey(timedelta(1)), timedelta(seconds=0.3))
    took = time.monotonic() - began
    held.set()
    assert took < 3
    assert list(answers.given) == ["a", "d"]
    assert "Host b did not answer within 0.3 seconds." in answers.in_words
    engines["a"].faults.down = True
    with pytest.raises(EngineError, match="does not answer"):
        ask_all({"a": engines["a"]}, lambda engine: engine.images(), timedelta(seconds=5))


def test_a_host_is_asked_in_the_language_of_who_asks() -> None:
    """What a host's answer says is said in the asker's language, though another thread asks."""
    with speaking("ko"):
        answers = ask_all({"a": FakeEngine("a")}, lambda _: spoken(), timedelta(seconds=5))
    assert answers.given == {"a": "ko"}


def test_pages_carry_the_same_line(looking: House) -> None:
    """Buttons lead to the pages beside this one with all that was asked; a page behind the last is refused."""
    first = looking.say("containers --all-hosts --limit 1")
    assert first.reply.text == "2 containers; 1 to 1 are shown, page 1 of 2."
    (following,) = first.reply.buttons
    assert following.line == "containers --page 2 --all-hosts --limit 1"
    second = looking.say(following.line)
    assert [row["container"] for row in _rows(second)] == ["shop-web"]
    assert [button.line for button in second.reply.buttons] == ["containers --page 1 --all-hosts --limit 1"]
    behind = looking.say("containers --page 9")
    assert (behind.status, "There is only one page" in behind.reply.text) == (Status.REJECTED, True)


def test_backups_have_pages(looking: House) -> None:
    """The archive's list is turned by buttons like the others."""
    for name in ("pgdata", "shop-data"):
        looking.say(f"backup {name}")
    page = looking.say("backups --limit=1 --page=2")
    assert page.reply.text.startswith("2 backups; 2 to 2 are shown, page 2 of 2.")
    assert [button.line for button in page.reply.buttons] == ["backups --page 1 --limit=1"]


def test_page_arithmetic() -> None:
    """Every row is on exactly one page, whatever the size; nothing has one empty page."""
    for count in range(8):
        for size in range(1, 5):
            pages = page_of(range(count), limit=str(size), number="1").pages
            shown = [page_of(range(count), limit=str(size), number=str(n + 1)).rows for n in range(pages)]
            assert [row for rows in shown for row in rows] == list(range(count))
            with pytest.raises(NotFound):
                page_of(range(count), limit=str(size), number=str(pages + 1))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["runs"], "runs --page 3"),
        (["volumes", "--page", "2", "pg*"], "volumes --page 3 'pg*'"),
        (["volumes", "--page=2", "--", "--page"], "volumes --page 3 -- --page"),
    ],
)
def test_the_line_of_a_page(words: list[str], line: str) -> None:
    """The old page number goes, the new one stands where it is a flag whatever follows."""
    assert line_for(words, 3) == line


def test_patterns() -> None:
    """Only * and ? mean something; letters count as they are."""
    assert fits("web-1", "web-?")
    assert not fits("Web-1", "web-*")
    assert fits("a[1]", "a[1]")
    assert not fits("a1", "a[1]")
    assert fits("anything", None)
