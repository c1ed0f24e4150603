"""push and pull on a real daemon and real registries: proven when they succeed, and true when they do not."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest

from bot.model import Outcome, Status
from tests.support.canaries import canary
from tests.support.dying import Nursery
from tests.support.house import House, at_work, refuse_untrue, settings
from tests.support.image_made import new_image
from tests.support.process import Site, until
from tests.support.registries import RealRegistry
from tests.support.tcp_proxy import CutAt
from tests.support.yard import Yard

pytestmark = pytest.mark.engine

CANARY = canary("registry-password")
USERS = {"bot": CANARY}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the registries keep their files."""
    return tmp_path_factory.mktemp("registries")


@pytest.fixture(scope="module")
def company(place: Path) -> Iterator[RealRegistry]:
    """The company's registry, with one user."""
    with RealRegistry(place / "company", users=USERS) as made:
        yield made


@dataclass(frozen=True)
class Shop:
    """An image in the engine, and what a test sees of its names."""

    yard: Yard
    word: str
    image: str

    @property
    def name(self) -> str:
        """What the image is called."""
        return f"{self.word}:1"

    @property
    def names(self) -> list[str]:
        """All that it is called."""
        return sorted(self.yard.bench.api.inspect_image(self.image)["RepoTags"])

    def has(self, reference: str) -> bool:
        """Whether the engine has an image of that name."""
        try:
            return bool(self.yard.bench.api.inspect_image(reference))
        except docker.errors.ImageNotFound:
            return False


@contextmanager
def _shop(yard: Yard, size: int) -> Iterator[Shop]:
    word = f"skt{uuid.uuid4().hex[:8]}"
    made = Shop(yard, word, new_image(yard.bench.api, f"{word}:1", size))
    try:
        yield made
    finally:
        yard.bench.api.remove_image(made.image, force=True)


@pytest.fixture
def shop(yard: Yard) -> Iterator[Shop]:
    """A small image."""
    with _shop(yard, 1000) as made:
        yield made


def _toml(yard: Yard, host: str) -> str:
    return (
        f'[hosts.local]\naddress = "{yard.url}"\n[registries.company]\nhost = "{host}"\nnamespace = "team"\n'
        f'username = "bot"\npassword_env = "WORD"\ninsecure_http = true\nimmutable = ["v*"]\n'
    )


Open = Callable[..., House]


@pytest.fixture
def open_house(yard: Yard, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Open]:
    """Gives a house whose company's registry is at that host; afterwards no secret was written down anywhere."""
    with ExitStack() as held:

        def made(host: str, *, password: str = CANARY) -> House:
            made = settings(tmp_path / "state", toml=_toml(yard, host), WORD=password)
            house = held.enter_context(at_work(made, {}))
            held.callback(lambda: refuse_untrue(house.app))
            return house

        yield made
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or CANARY.encode() not in file.read_bytes(), f"the password is in {file}"
    assert CANARY not in caplog.text


def _failed(outcome: Outcome, words: str, reason: str, shop: Shop) -> None:
    assert outcome.status is Status.FAILED, outcome.reply.text
    assert outcome.reply.facts["reason"] == reason, outcome.reply.text
    assert words in outcome.reply.text
    assert shop.names == [shop.name], "a stray tag is left"
    assert CANARY not in f"{outcome.reply}"


def test_a_pushed_image_is_what_the_registry_serves_and_comes_back(
    open_house: Open, company: RealRegistry, shop: Shop
) -> None:
    """Pushed, removed, pulled: the digests of reply and registry are equal, and the image is the same."""
    house = open_house(company.host)
    assert "took the login of bot" in house.say("login company").reply.text
    pushed = house.say(f"push {shop.name} --as {shop.word}:v1")
    assert pushed.status is Status.SUCCEEDED, pushed.reply.text
    served = company.digest(f"team/{shop.word}", "v1")
    assert served is not None
    assert pushed.reply.facts["digest"] == served
    shop.yard.bench.api.remove_image(shop.image, force=True)
    pulled = house.say(f"pull {shop.word}:v1")
    assert pulled.status is Status.SUCCEEDED, pulled.reply.text
    assert pulled.reply.facts["digest"] == served
    assert pulled.reply.facts["image"] == shop.image
    tags = house.say(f"tags {shop.word}").reply.table
    assert tags is not None
    assert tags.rows == (("v1", True),)


def test_an_immutable_tag_is_not_moved(
    open_house: Open, company: RealRegistry, shop: Shop, yard: Yard
) -> None:
    """The same image again is a success that says so; another one is rejected, and the registry keeps what it had."""
    house = open_house(company.host)
    first = house.say(f"push {shop.name} --as {shop.word}:v1")
    again = house.say(f"push {shop.name} --as {shop.word}:v1")
    assert again.status is Status.SUCCEEDED
    assert "was there already" in again.reply.text
    with _shop(yard, 10) as other:
        outcome = house.say(f"push {other.name} --as {shop.word}:v1")
        assert outcome.status is Status.REJECTED
        assert "make it immutable" in outcome.reply.text
        assert other.names == [other.name]
    assert company.digest(f"team/{shop.word}", "v1") == first.reply.facts["digest"]


def test_a_wrong_password_fails(open_house: Open, company: RealRegistry, shop: Shop) -> None:
    """It is told as such, without the password, and nothing is served."""
    outcome = open_house(company.host, password=f"{CANARY}-wrong").say(f"push {shop.name}")
    _failed(outcome, "did not accept the login", "unauthorized", shop)
    assert company.digest(f"team/{shop.word}", "1") is None


def test_an_unknown_host_fails(open_house: Open, shop: Shop) -> None:
    """A name that nobody has is told within seconds."""
    outcome = open_house("registry.invalid:5000").say(f"push {shop.name}")
    _failed(outcome, "cannot be reached", "unreachable", shop)


def test_a_read_only_registry_fails(open_house: Open, place: Path, shop: Shop) -> None:
    """It says no once, and is not asked again."""
    with RealRegistry(place / "read-only", users=USERS, read_only=True) as registry:
        outcome = open_house(registry.host).say(f"push {shop.name}", seconds=90)
        _failed(outcome, "405", "refused", shop)


def test_a_registry_killed_half_way_fails(open_house: Open, place: Path, yard: Yard) -> None:
    """What was half there does not count; Docker itself would wait for nearly a minute."""
    with RealRegistry(place / "killed", users=USERS) as registry, _shop(yard, 8 << 20) as shop:
        with CutAt(registry.port, 3 << 20, registry.kill) as proxy:
            house = open_house(proxy.host)
            begun = time.monotonic()
            outcome = house.say(f"push {shop.name}", seconds=90)
            assert proxy.is_cut.is_set()
        _failed(outcome, "cannot be reached", "unreachable", shop)
        assert time.monotonic() - begun < 40
        registry.start()
        assert registry.digest(f"team/{shop.word}", "1") is None


def test_a_push_is_cancelled_within_seconds(open_house: Open, company: RealRegistry, shop: Shop) -> None:
    """Also while the registry says nothing; the image has only its own name then, and the registry no new one."""
    house = open_house(company.host)
    company.freeze()
    try:
        run_id = house.accept(f"push {shop.name}")
        until(lambda: house.run(run_id).status is Status.RUNNING, saying="the push")
        begun = time.monotonic()
        house.say(f"cancel {run_id}")
        outcome = house.ending(run_id)
        assert time.monotonic() - begun < 5
    finally:
        company.thaw()
    assert outcome.status is Status.CANCELLED
    assert shop.names == [shop.name]
    assert company.digest(f"team/{shop.word}", "1") is None


@pytest.mark.faults
def test_kill_9_between_tag_and_push_leaves_no_tag(
    company: RealRegistry, shop: Shop, yard: Yard, tmp_path: Path
) -> None:
    """The next start takes the name away, and says that the push was interrupted; after the push, that it was done."""
    with Site(tmp_path / "state", docker_host=yard.url) as site, Nursery() as nursery:
        (site.state / "settings.toml").write_text(_toml(yard, company.host))
        environment = {**site.environment, "WORD": CANARY}
        _, points = nursery.carry_out(environment, tmp_path, "push", shop.name, "--as", f"{shop.word}:0")
        yard.bench.api.remove_image(f"{company.host}/team/{shop.word}:0", noprune=True)
        for number, (point, ending) in enumerate(
            {
                "after dockerengine.tag": Status.INTERRUPTED,
                "before dockerengine.push": Status.INTERRUPTED,
                "after dockerengine.push": Status.SUCCEEDED,
            }.items()
        ):
            words = ("push", shop.name, "--as", f"{shop.word}:{number + 1}")
            die_at = points.index(point) + 1
            killed, passed = nursery.carry_out(environment, tmp_path, *words, die_at=die_at)
            assert (killed, passed[-1]) == (True, point)
            reference = f"{company.host}/team/{shop.word}:{number + 1}"
            assert shop.has(reference), "the crash came too early to show anything"
            made = settings(tmp_path / "state", toml=_toml(yard, company.host), WORD=CANARY, **_archive(site))
            with at_work(made, {}) as house:
                (run,) = house.app.services.runs.newest(limit=1)
                assert house.ending(run.id).status is ending
                refuse_untrue(house.app)
            assert not shop.has(reference), f"killed {point}, a stray tag is left"
    for file in (tmp_path / "state").rglob("*"):
        assert not file.is_file() or CANARY.encode() not in file.read_bytes(), file
    assert CANARY not in (tmp_path / "output").read_text()


def _archive(site: Site) -> dict[str, str]:
    return {"SHIPKEEPER_ARCHIVE": str(site.archive)}
