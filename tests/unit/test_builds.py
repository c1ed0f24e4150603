"""Builds: only what settings allow, from what the context holds and nothing else, named only when whole."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.engine.build_context import gather
from bot.errors import BuildFailed
from bot.model import Outcome, Status
from bot.reasons import Reason
from bot.settings import SettingsError
from tests.contracts.build_contract import BuildContract
from tests.fakes import FakeEngine
from tests.support.house import House, at_work, refuse_untrue, settings

GOOD = "FROM scratch\nCOPY app /app\nRUN true\n"


class TestFakeBuilds(BuildContract):
    """The contract, on the fake engine."""

    @pytest.fixture
    def engine(self) -> FakeEngine:
        """A new one."""
        return FakeEngine()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A context."""
    made = tmp_path / "web"
    made.mkdir()
    (made / "Dockerfile").write_text(GOOD)
    (made / "app").write_bytes(b"code")
    return made


@pytest.fixture
def house(tmp_path: Path, place: Path, fake_engine: FakeEngine) -> Iterator[House]:
    """A house that may build `web`."""
    toml = (
        f'[builds.web]\ncontext = "{place}"\nimage = "team/web:nightly"\narguments = {{ VERSION = "1" }}\n'
        "most_bytes = 100000\n"
    )
    with at_work(settings(tmp_path / "state", toml=toml), {"local": fake_engine}) as made:
        yield made
        refuse_untrue(made.app)


def _log(house: House, ended: Outcome) -> str:
    (file,) = ended.reply.attachments
    with house.app.services.outgoing.open(ended.run_id, file) as log:
        return log.read().decode()


def test_a_build_is_named_labelled_and_its_log_kept(house: House, fake_engine: FakeEngine) -> None:
    """The image says who, when, which run and which build; the whole log goes with the reply."""
    ended = house.say("build web")
    assert ended.status is Status.SUCCEEDED, ended.reply.text
    image = fake_engine.image("team/web:nightly")
    labels = image.labels
    assert (labels["shipkeeper.run"], labels["shipkeeper.build"]) == (ended.run_id, "web")
    assert labels["shipkeeper.build.by"] == "cli:tester"
    assert labels["shipkeeper.build.at"].endswith("+00:00")
    assert "shipkeeper.build.commit" not in labels
    assert "Step 3/3 : RUN true" in _log(house, ended)
    assert (fake_engine.recipes[0].arguments, fake_engine.recipes[0].network) == ({"VERSION": "1"}, "none")


def test_a_failed_build_leaves_the_name_to_who_had_it(
    house: House, place: Path, fake_engine: FakeEngine
) -> None:
    """No tag moves, the reply has the last lines, and the log is attached all the same."""
    before = fake_engine.add_image("team/web:nightly")
    (place / "Dockerfile").write_text("FROM scratch\nRUN false\n")
    ended = house.say("build web")
    assert ended.status is Status.FAILED
    assert ended.reply.facts["reason"] == Reason.BUILD
    assert "Step 2/2 : RUN false" in ended.reply.text
    assert "Step 2/2 : RUN false" in _log(house, ended)
    assert fake_engine.holder_of("team/web:nightly") == before.id


def test_a_cancelled_build_leaves_no_name(house: House, place: Path, fake_engine: FakeEngine) -> None:
    """A cancel ends it in the middle of a step."""
    (place / "Dockerfile").write_text("FROM scratch\nRUN hang\n")
    run_id = house.accept("build web --no-cache")
    assert fake_engine.building.wait(10)
    house.say(f"cancel {run_id}")
    assert house.ending(run_id, seconds=5).status is Status.CANCELLED
    assert fake_engine.holder_of("team/web:nightly") is None
    assert fake_engine.recipes[0].no_cache


def test_a_later_process_finds_what_was_named(house: House) -> None:
    """After a crash the image is what counts: it says of which run it is."""
    ended, other = house.say("build web"), house.say("builds")
    done = house.app.services.commands["build"].done
    assert done is not None
    found = done(ended.run_id, house.app.services)
    assert found is not None
    assert (found.status, "team/web:nightly is built" in found.text) == (Status.PARTIAL, True)
    assert done(other.run_id, house.app.services) is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("build wep", "did you mean web"),
        ("build web --push", "name no registry for the build web"),
        ("build ../x", "is not the name of a build"),
    ],
)
def test_what_settings_do_not_say_is_not_built(
    house: House, fake_engine: FakeEngine, line: str, words: str
) -> None:
    """Neither another context nor a push that is not allowed."""
    ended = house.say(line)
    assert ended.status is Status.REJECTED
    assert words in ended.reply.text
    assert fake_engine.recipes == []


def test_builds_are_listed(house: House, place: Path) -> None:
    """`builds` says what there is."""
    table = house.say("builds").reply.table
    assert table is not None
    assert table.rows == (("web", "team/web:nightly", str(place), "Dockerfile", "none", None),)


# ---- contexts -----------------------------------------------------------------------------------


def test_what_dockerignore_leaves_out_is_not_sent(house: House, place: Path, fake_engine: FakeEngine) -> None:
    """Patterns, exceptions and comments are those of Docker."""
    (place / ".dockerignore").write_text("# not these\n*.key\nlogs\n!logs/keep\n")
    (place / "logs").mkdir()
    for name in ("a.key", "logs/x", "logs/keep"):
        (place / name).write_bytes(b"")
    assert house.say("build web").status is Status.SUCCEEDED
    assert set(fake_engine.contexts[0]) == {".dockerignore", "Dockerfile", "app", "logs/keep"}


def test_nothing_from_outside_gets_into_a_context(house: House, place: Path, fake_engine: FakeEngine) -> None:
    """Links are sent as links, also those to directories; pipes are left out; odd names are kept."""
    secret = place.parent / "secret"
    secret.mkdir()
    (secret / "key").write_bytes(b"canary")
    (place / "to-file").symlink_to(secret / "key")
    (place / "to-directory").symlink_to(secret)
    os.mkfifo(place / "pipe")
    Path(os.fsdecode(os.fsencode(place) + b"/odd-\xff\n")).write_bytes(b"odd")
    assert house.say("build web").status is Status.SUCCEEDED
    sent = fake_engine.contexts[0]
    assert (sent["to-file"], sent["to-directory"]) == (None, None)
    assert b"canary" not in sent.values()
    assert "pipe" not in sent
    assert b"odd" in sent.values()


def _too_large(place: Path) -> str:
    (place / "big").write_bytes(bytes(100_001))
    return "allow 100000"


def _linked(place: Path) -> str:
    (place / "Dockerfile").unlink()
    (place / "Dockerfile").symlink_to("app")
    return "no regular file"


def _gone(place: Path) -> str:
    (place / "Dockerfile").unlink()
    return "cannot be read"


@pytest.mark.parametrize("spoil", [_too_large, _linked, _gone])
def test_a_context_that_cannot_be_sent_is_told(
    house: House, place: Path, fake_engine: FakeEngine, spoil: Callable[[Path], str]
) -> None:
    """The engine is not even asked."""
    words = spoil(place)
    ended = house.say("build web")
    assert ended.status is Status.FAILED
    assert words in ended.reply.text
    assert fake_engine.recipes == []


def test_a_file_that_shrinks_while_it_is_read_is_no_file(place: Path) -> None:
    """A tar that is shorter than its headers say would be another context."""
    (place / "app").write_bytes(bytes(3 << 20))
    pieces = gather(place, "Dockerfile", 1 << 30).tar()
    for piece in pieces:
        if len(piece) == 1 << 20:
            os.truncate(place / "app", 1 << 20)
            break
    with pytest.raises(BuildFailed, match="became shorter"):
        list(pieces)


@pytest.mark.parametrize("dirty", [False, True])
def test_the_commit_of_a_checkout_is_a_label(
    house: House, place: Path, fake_engine: FakeEngine, dirty: bool
) -> None:
    """It says which commit it was, and whether anything in the context was not committed."""

    def git(*words: str) -> str:
        known = ("-c", "user.name=x", "-c", "user.email=x@example.com")
        done = subprocess.run(
            ["git", "-C", place.parent, *known, *words], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    git("init", "--quiet")
    git("add", "web")
    git("commit", "--quiet", "-m", "first")
    (place.parent / "beside").write_text("no part of the context")
    if dirty:
        (place / "app").write_bytes(b"changed")
    ended = house.say("build web")
    assert ended.status is Status.SUCCEEDED, ended.reply.text
    labels = fake_engine.image("team/web:nightly").labels
    assert labels["shipkeeper.build.commit"] == git("rev-parse", "HEAD")
    assert labels["shipkeeper.build.dirty"] == str(dirty).lower()


@pytest.mark.parametrize(
    ("registries", "hint"),
    [
        ("", "'compnay'"),
        ('[registries.company]\nhost = "registry.example.com"\n', "'compnay'; did you mean company?"),
    ],
)
def test_a_registry_that_is_not_there_is_told_at_the_start(
    tmp_path: Path, registries: str, hint: str
) -> None:
    """And not at night, when the build is due; with the name that may be meant."""
    lines = '[builds.web]\ncontext = "/web"\nimage = "web"\nregistry = "compnay"\n'
    with pytest.raises(SettingsError) as refused:
        settings(tmp_path, toml=lines + registries)
    assert f"builds: web.registry: there is no registry {hint}" in str(refused.value)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('context = "web"\nimage = "web"', "absolute path"),
        ('context = "/web"\nimage = "Web"', "image:"),
        ('context = "/web"\nimage = "web"\ndockerfile = "../Dockerfile"', "path in the context"),
        ('context = "/web"\nimage = "web"\narguments = { "a b" = "1" }', "build argument"),
        ('context = "/web"\nimage = "h:1/web"\nregistry = "company"', "leave out the registry"),
        ('context = "/web"\nimage = "web"\nnetwork = "container:x"', "network"),
    ],
)
def test_nonsense_about_a_build_is_refused(tmp_path: Path, lines: str, words: str) -> None:
    """It is told at the start."""
    with pytest.raises(SettingsError, match=words):
        settings(tmp_path, toml=f"[builds.web]\n{lines}\n")
