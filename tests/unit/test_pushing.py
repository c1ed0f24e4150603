"""push, pull, tag, tags, login and registries over the fake engine and fake registries, down the whole road."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.errors import Cancelled, RegistryError, UsageError
from bot.model import Outcome, Right, Status
from bot.operations.push import PushPlan, push
from bot.operations.registries import Known, Registries, Rules
from bot.reasons import Reason
from bot.reference import Reference, parse
from bot.registry import unasked
from bot.secrecy import Login
from tests.fakes import FakeEngine
from tests.support.canaries import canary
from tests.support.fake_registry import FakeRegistry
from tests.support.fake_run import FakeRun
from tests.support.house import House, at_work, from_slack, refuse_untrue, settings

CANARY = canary("registry-password")
HOST = "registry.example.com"
WEB = f"{HOST}/team/web:1.4"
RULES = Rules(namespace="team", repositories=("team/*",), tag_pattern=r"v?[0-9.]+|latest", immutable=("1.*",))
ROLES = """
[roles.pushers]
members = ["U0ANN"]
commands = ["push"]
targets = ["registry:company/team/*"]
[roles.operators]
members = ["U0ADA"]
right = "operate"
[roles.viewers]
members = ["U0EVE"]
right = "view"
"""


class World:
    """A house with one engine and two registries: the company's, and Docker Hub."""

    def __init__(self) -> None:
        self.engine = FakeEngine()
        self.company = FakeRegistry("company", HOST)
        self.company.users = {"bot": CANARY}
        self.company.me = Login(username="bot", password=CANARY)
        self.hub = FakeRegistry("hub", "docker.io")
        self.engine.registries = {HOST: self.company, "docker.io": self.hub}
        self.registries = Registries(
            [
                Known(registry=self.company, rules=RULES, login="bot"),
                Known(registry=self.hub, rules=Rules()),
            ]
        )
        self.web = self.engine.add_image("web:1.4")
        self.house: House

    def say(self, line: str) -> Outcome:
        """From a shell."""
        return self.house.say(line)

    def names(self, image_id: str | None = None) -> tuple[str, ...]:
        """The image's names on the host."""
        return self.engine.kept_images[image_id or self.web.id].references


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """At work; afterwards nothing is left half done, and no password was written down."""
    made = World()
    state = tmp_path / "state"
    with at_work(settings(state, toml=ROLES), {"local": made.engine}, registries=made.registries) as house:
        made.house = house
        yield made
        refuse_untrue(house.app)
    for file in state.rglob("*"):
        assert not file.is_file() or CANARY.encode() not in file.read_bytes(), file


def _refused(world: World, line: str, words: str, status: Status = Status.REJECTED) -> None:
    outcome = world.say(line)
    assert (outcome.status, words in outcome.reply.text) == (status, True), outcome.reply.text
    assert world.names() == ("docker.io/library/web:1.4",)


# ---- what a name means -------------------------------------------------------------------------------


def test_names_are_completed_to_the_company() -> None:
    """A name without a registry is the company's, within its namespace, and never Docker Hub's."""
    made = World().registries
    for word, meant in {
        "web": f"{HOST}/team/web",
        "web:1.4": WEB,
        "team/web:1.4": WEB,
        "other/web": f"{HOST}/team/other/web",
        "docker.io/web": "docker.io/library/web",
        "localhost:5000/web": "localhost:5000/web",
    }.items():
        assert made.complete(word).text == meant
    assert made.destination("web:1.4", None).text == WEB
    assert made.destination("web:1.4", "team/web").text == WEB
    assert made.destination("web", "team/web:2").tag == "2"
    assert made.destination("web", None).tag == "latest"
    with pytest.raises(UsageError, match="“Web” is not the name"):
        made.complete("Web")


# ---- push --------------------------------------------------------------------------------------------


def test_a_push_is_proven(world: World) -> None:
    """The digest in the reply is the one that the registry serves, and the login came from the settings."""
    outcome = world.say("push web:1.4 --as team/web:1.4")
    assert outcome.status is Status.SUCCEEDED, outcome.reply.text
    assert outcome.reply.facts["digest"] == world.company.served["team/web"]["1.4"]
    assert outcome.reply.facts["reference"] == WEB
    assert world.engine.logins == [Login(username="bot", password=CANARY)]
    assert WEB in world.names()
    held = world.house.run(outcome.run_id).plan.targets  # type: ignore[union-attr]
    assert held == ("registry:company/team/web", f"image:{WEB}")


def test_pushing_the_same_again_succeeds_and_says_so(world: World) -> None:
    """An immutable tag that is this very image is well as it is; nothing is sent."""
    first = world.say("push web:1.4")
    again = world.say("push web:1.4")
    assert again.status is Status.SUCCEEDED
    assert "was there already" in again.reply.text
    assert again.reply.facts["digest"] == first.reply.facts["digest"]
    assert len(world.engine.logins) == 1


def test_what_is_refused_before_anything_is_sent(world: World) -> None:
    """Unknown registries, repositories and tags that are not allowed, missing images, immutable tags, digests."""
    world.company.put("team/web", "1.4", "another")
    _refused(world, "push web:1.4", "exists, and the settings make it immutable")
    _refused(world, "push web:1.4 --as evil.example.com/web:1.4", "evil.example.com is not in the settings")
    _refused(world, f"push web:1.4 --as {HOST}/other/web:1.4", "no push to the repository other/web")
    _refused(world, "push web:1.4 --as team/web:beta", "no push of the tag beta")
    _refused(world, "push wep:1.4", "web:1.4")
    _refused(world, f"push web:1.4 --as team/web@sha256:{'a' * 64}", "by its digest")
    _refused(world, "push Web", "not the name of an image")
    assert world.engine.logins == []


def _failed(world: World, words: str, reason: Reason, line: str = "push web:1.4 --as team/web:2.0") -> None:
    outcome = world.say(line)
    assert outcome.status is Status.FAILED, outcome.reply.text
    assert words in outcome.reply.text
    assert outcome.reply.facts["reason"] == reason.value
    assert world.names() == ("docker.io/library/web:1.4",)
    assert CANARY not in f"{outcome.reply}"


def test_a_wrong_password_fails(world: World) -> None:
    """It is found out before the image gets another name."""
    world.company.me = Login(username="bot", password=f"{CANARY}-wrong")
    _failed(world, "did not accept the login", Reason.UNAUTHORIZED)


def test_a_refusal_is_not_tried_again(world: World) -> None:
    """A read-only registry says no once; the name for it is gone again."""
    world.company.read_only = True
    _failed(world, "read-only", Reason.REFUSED)
    assert len(world.engine.logins) == 1


def test_what_may_pass_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two failures that may pass, then success; a third would have been the last."""
    monkeypatch.setattr("bot.operations.push._WAITS", (0.01, 0.01))
    world.engine.push_faults = [RegistryError("reset", reason=Reason.UNREACHABLE) for _ in range(2)]
    assert world.say("push web:1.4").status is Status.SUCCEEDED
    assert len(world.engine.logins) == 3
    world.engine.push_faults = [RegistryError("reset", reason=Reason.UNREACHABLE) for _ in range(3)]
    outcome = world.say("push web:1.4 --as team/web:2.0")
    assert (outcome.status, outcome.reply.facts["reason"]) == (Status.FAILED, "unreachable")
    assert len(world.engine.logins) == 6


def test_a_registry_that_died_is_not_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing moves the registry is asked; when it is gone the push ends, though Docker would wait on."""
    monkeypatch.setattr("bot.operations.push._WAITS", (0.01, 0.01))
    monkeypatch.setattr("bot.operations.push._QUIET_SECONDS", 0.05)
    world.engine.push_held.set()
    run_id = world.house.accept("push web:1.4 --as team/web:2.0")
    assert world.engine.pushing.wait(10)
    world.company.down = True
    outcome = world.house.ending(run_id)
    assert (outcome.status, outcome.reply.facts["reason"]) == (Status.FAILED, "unreachable")
    assert "cannot be told now" in outcome.reply.text
    assert world.names() == ("docker.io/library/web:1.4",)


def _move(world: World, image_id: str) -> Callable[[object], None]:
    return lambda _engine: world.engine._name(image_id, parse(WEB))


def test_a_name_that_moved_while_docker_pushed_is_no_success(world: World) -> None:
    """Docker sends whatever has the name: then the registry serves another image, and nobody is told it is this."""
    other = world.engine.add_image("other")
    world.engine.faults.before["push"] = [_move(world, other.id)]
    outcome = world.say("push web:1.4")
    assert (outcome.status, outcome.reply.facts["reason"]) == (Status.FAILED, "digest")
    assert f"was pushed as {world.company.served['team/web']['1.4']}" in outcome.reply.text
    assert "another image" in outcome.reply.text
    assert WEB in world.names(other.id)


def test_a_name_that_moved_between_two_tries_is_not_pushed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked at before each of them."""
    monkeypatch.setattr("bot.operations.push._WAITS", (0.01, 0.01))
    other = world.engine.add_image("other")
    world.engine.push_faults = [RegistryError("reset", reason=Reason.UNREACHABLE)]
    world.engine.faults.before["push"] = [_move(world, other.id)]
    outcome = world.say("push web:1.4")
    assert (outcome.status, outcome.reply.facts["reason"]) == (Status.FAILED, "digest")
    assert (len(world.engine.logins), world.company.served) == (1, {})


def test_what_the_registry_took_is_told_though_it_could_not_be_read_back(world: World) -> None:
    """A question that fails after a push does not make the push undone."""
    refused = RegistryError("It is too busy. Nothing was changed.", reason=Reason.REFUSED)
    world.engine.faults.before["push"] = [lambda _engine: world.company.failing.append(refused)]
    outcome = world.say("push web:1.4")
    assert (outcome.status, outcome.reply.facts["reason"]) == (Status.FAILED, "refused")
    served = world.company.served["team/web"]["1.4"]
    assert f"the registry company serves {served} as {WEB} now. It is not proven." in outcome.reply.text


def test_a_push_cancelled_after_the_registry_took_it_is_not_told_as_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The run is cancelled, and says what the registry serves."""
    world = World()
    run, ask = FakeRun(world.engine), world.company.digest

    def digest(reference: Reference, check: Callable[[], None] = unasked) -> str | None:
        if world.company.served:
            run.cancel()
        return ask(reference, check)

    monkeypatch.setattr(world.company, "digest", digest)
    plan = PushPlan(image=world.web, reference=parse(WEB), known=world.registries.known[0])
    with pytest.raises(Cancelled, match=r"serves sha256:\w+ .* now") as caught:
        push(world.engine, run, plan)
    assert "taken back" not in str(caught.value)


def test_another_digest_than_pushed_is_no_success(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the registry serves afterwards decides, not what Docker says."""
    monkeypatch.setattr(world.company, "digest", lambda *_: None)
    _failed(world, "serves nothing there", Reason.DIGEST)
    monkeypatch.setattr(world.company, "digest", lambda *_: f"sha256:{'b' * 64}")
    _failed(world, f"serves sha256:{'b' * 64} there", Reason.DIGEST)


def test_a_cancelled_push_leaves_no_name(world: World) -> None:
    """It ends in the middle, and the image is called as before."""
    world.engine.push_held.set()
    run_id = world.house.accept("push web:1.4")
    assert world.engine.pushing.wait(10)
    assert world.say(f"cancel {run_id}").status is Status.SUCCEEDED
    assert world.house.ending(run_id).status is Status.CANCELLED
    assert world.names() == ("docker.io/library/web:1.4",)
    assert world.company.served == {}


def test_a_name_that_another_image_had_goes_back_to_it(world: World) -> None:
    """A push that fails takes nothing from anybody; one that succeeds says in its plan that the name moves."""
    old = world.engine.add_image("old")
    world.engine.tag(old.id, parse(WEB))
    world.company.read_only = True
    assert world.say("push web:1.4").status is Status.FAILED
    assert WEB in world.names(old.id)
    world.company.read_only = False
    outcome = world.say("push web:1.4")
    assert "moves to it from another image" in world.house.run(outcome.run_id).plan.text  # type: ignore[union-attr]
    assert WEB in world.names()


def test_a_name_that_was_there_before_stays(world: World) -> None:
    """What the image was called before a push that fails it is called afterwards."""
    world.engine.tag(world.web.id, parse(WEB))
    world.company.read_only = True
    assert world.say(f"push {WEB}").status is Status.FAILED
    assert WEB in world.names()


def test_after_a_crash_the_name_goes_away_unless_it_is_another_s_by_then() -> None:
    """What the journal holds is taken back by the next process, twice if need be, and only from this image."""
    for taken in (False, True):
        world = World()
        run = FakeRun(world.engine)
        run.entries.append(("untag", {"reference": WEB, "image": world.web.id, "before": "", "name": "web"}))
        world.engine.tag(world.web.id, parse(WEB))
        other = world.engine.add_image(WEB) if taken else None
        run.recover()
        assert world.names() == ("docker.io/library/web:1.4",)
        assert world.engine.holder_of(WEB) == (other.id if other else None)


def test_the_journal_is_written_before_the_name() -> None:
    """A crash between the two leaves nothing to take back; the other way round it would leave a stray name."""
    world = World()
    run = FakeRun(world.engine)

    def die(_engine: object) -> None:
        assert run.journal == ["untag"]
        raise RuntimeError("dead")

    world.engine.faults.before["tag"] = [die]
    plan = PushPlan(image=world.web, reference=parse(WEB), known=world.registries.known[0])
    with pytest.raises(RuntimeError, match="dead"):
        push(world.engine, run, plan)


def test_a_push_that_a_crash_hid_is_told_as_done(world: World) -> None:
    """The registry proves it: it serves the image that was to be pushed; if it serves another, nothing was done."""
    command = world.house.app.services.commands["push"]
    assert command.done is not None
    finished = world.say("push web:1.4")
    reply = command.done(finished.run_id, world.house.app.services)
    assert reply is not None
    assert reply.facts["digest"] == finished.reply.facts["digest"]
    world.company.put("team/web", "1.4", "another")
    assert command.done(finished.run_id, world.house.app.services) is None


# ---- who may -----------------------------------------------------------------------------------------


def test_a_role_may_be_for_some_repositories_only(world: World) -> None:
    """`registry:company/team/*` lets push there and nowhere else."""
    world.engine.add_image("docker.io/acme/web:1.4")
    for user, line, status in (
        ("U0ANN", "push web:1.4", Status.SUCCEEDED),
        ("U0ANN", "push docker.io/acme/web:1.4", Status.DENIED),
        ("U0ANN", "login company", Status.DENIED),
        ("U0EVE", "push web:1.4", Status.DENIED),
        ("U0EVE", "tags team/web", Status.SUCCEEDED),
        ("U0EVE", "registries", Status.SUCCEEDED),
        ("U0EVE", "login company", Status.DENIED),
        ("U0ADA", "login company", Status.SUCCEEDED),
    ):
        outcome = world.house.say(from_slack(line, user=user))
        assert outcome.status is status, (user, line, outcome.reply.text)
    rights = {name: command.right for name, command in world.house.app.services.commands.items()}
    assert [rights[name] for name in ("push", "pull", "tag", "login")] == [Right.OPERATE] * 4


# ---- pull, tag, tags, login, registries --------------------------------------------------------------


def test_what_was_pushed_is_pulled(world: World) -> None:
    """The pulled image is what the registry serves, under the name that was asked for."""
    pushed = world.say("push web:1.4")
    world.engine.kept_images.clear()
    outcome = world.say("pull web:1.4")
    assert outcome.status is Status.SUCCEEDED, outcome.reply.text
    assert outcome.reply.facts["digest"] == pushed.reply.facts["digest"]
    assert world.engine.holder_of(WEB) == world.web.id
    outcome = world.say("pull web:9")
    assert (outcome.status, "has no" in outcome.reply.text) == (Status.REJECTED, True)
    assert world.say("pull evil.example.com/web").status is Status.REJECTED


def test_a_pull_of_something_else_is_no_success(world: World) -> None:
    """What the host has must be what the registry serves."""
    world.say("push web:1.4")
    other = world.engine.add_image("other")
    world.company.images = dict.fromkeys(world.company.images, replace(other, references=()))
    world.company.served["team/web"]["1.4"] = next(iter(world.company.images))
    world.company.has_image = lambda *_: None  # type: ignore[method-assign]
    outcome = world.say("pull web:1.4")
    assert (outcome.status, outcome.reply.facts["reason"]) == (Status.FAILED, "digest")


def test_a_tag_that_moved_while_docker_pulled_is_no_success(world: World) -> None:
    """The reply’s digest is what the host has, not what the registry served a moment before."""
    world.say("push web:1.4")
    other = world.engine.add_image("other")
    digest = world.company.put("team/web", "2.0", "other")
    world.company.images[digest] = replace(other, references=())

    def move(_engine: object) -> None:
        world.company.served["team/web"]["1.4"] = digest

    world.engine.faults.before["pull"] = [move]
    outcome = world.say("pull web:1.4")
    assert (outcome.status, outcome.reply.facts["reason"]) == (Status.FAILED, "digest")


def test_what_was_pulled_is_told_though_it_could_not_be_compared(world: World) -> None:
    """A question that fails after a pull does not make the pull undone."""
    world.say("push web:1.4")
    world.engine.kept_images.clear()
    refused = RegistryError("It is too busy. Nothing was changed.", reason=Reason.REFUSED)
    world.engine.faults.before["pull"] = [lambda _engine: world.company.failing.append(refused)]
    outcome = world.say("pull web:1.4")
    assert (outcome.status, outcome.reply.facts["reason"]) == (Status.FAILED, "refused")
    assert f"has {world.web.id} as {WEB} now. It is not proven." in outcome.reply.text


def test_a_pull_that_a_crash_hid_is_told_as_done(world: World) -> None:
    """Done is what the host has and the registry serves; another image, or none, is not."""
    command = world.house.app.services.commands["pull"]
    assert command.done is not None
    world.say("push web:1.4")
    finished = world.say("pull web:1.4")
    reply = command.done(finished.run_id, world.house.app.services)
    assert reply is not None
    assert reply.facts == finished.reply.facts
    world.company.put("team/web", "1.4", "another")
    assert command.done(finished.run_id, world.house.app.services) is None
    world.engine.kept_images.clear()
    assert command.done(finished.run_id, world.house.app.services) is None


def test_a_tag_that_a_crash_hid_is_told_as_done(world: World) -> None:
    """Unless the name was taken back, or is another image's by now."""
    command = world.house.app.services.commands["tag"]
    assert command.done is not None
    finished = world.say("tag web:1.4 web:stable")
    reply = command.done(finished.run_id, world.house.app.services)
    assert reply is not None
    assert (reply.text, reply.facts) == (finished.reply.text, finished.reply.facts)
    world.engine.add_image("web:stable")
    assert command.done(finished.run_id, world.house.app.services) is None


def test_a_tag_moves_only_when_told(world: World) -> None:
    """An image's name is not taken from it in silence, as Docker itself would."""
    assert world.say("tag web:1.4 web:stable").status is Status.SUCCEEDED
    assert "docker.io/library/web:stable" in world.names()
    other = world.engine.add_image("other")
    refused = world.say("tag other web:stable")
    assert (refused.status, "--move" in refused.reply.text) == (Status.REJECTED, True)
    assert "docker.io/library/web:stable" in world.names()
    assert world.say("tag other web:stable --move").status is Status.SUCCEEDED
    assert "docker.io/library/web:stable" in world.names(other.id)
    assert world.say(f"tag other web@sha256:{'a' * 64}").status is Status.REJECTED


def test_tags_are_listed(world: World) -> None:
    """Of a repository of the company's or of another registry, with what is never moved."""
    world.company.put("team/web", "1.4", "a")
    world.company.put("team/web", "latest", "b")
    outcome = world.say("tags web")
    assert outcome.reply.table is not None
    assert outcome.reply.table.rows == (("1.4", True), ("latest", False))
    assert world.say("tags none").status is Status.REJECTED
    assert "leave out the tag" in world.say("tags web:1").reply.text


def test_a_login_is_proven(world: World) -> None:
    """Taken, not taken, not asked for: three answers, and no password in any."""
    assert "took the login of bot" in world.say("login company").reply.text
    world.company.me = Login(username="bot", password=f"{CANARY}-wrong")
    assert world.say("login company").status is Status.FAILED
    assert "no login is set" in world.say("login hub").reply.text
    world.hub.me = Login(username="bot", password=CANARY)
    assert "not proven" in world.say("login hub").reply.text
    assert "did you mean company" in world.say("login compny").reply.text


def test_registries_are_listed(world: World) -> None:
    """With what the settings say of them, and without asking one."""
    outcome = world.say("registries")
    assert outcome.reply.table is not None
    assert outcome.reply.table.rows[0][:4] == ("company", HOST, "team", "bot")
    assert world.company.asked == []
