"""`check` looks at Slack: tokens, scopes, Socket Mode, channels and the clock; each seeded fault is named."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import handlers
from bot.app import build
from bot.engine.address import Access
from bot.engine.real import DockerEngine
from bot.model import Outcome, Status
from bot.operations.registries import Known, Registries, Rules
from bot.playground import Channel, Fault, Playground
from bot.playground.workspace import Credentials
from bot.registry.client import HttpRegistry
from bot.registry.wire import Tls
from tests.fakes import FakeEngine
from tests.slack.scopes import NOT_WHERE_IT_IS_NO_MEMBER, SCOPES
from tests.slack.workplace import Workplace
from tests.support.black_hole import BlackHole
from tests.support.doctored import LONGEST_SECONDS, refuse_unnamed, rows, troubles
from tests.support.house import ROLES, House, at_work, settings

pytestmark = pytest.mark.slack

POSTS = ROLES + '[audit]\nchannel = "{channel}"\n'


class Patient:
    """A house with these tokens, and what the doctor says of it."""

    def __init__(self, slack: Playground, state: Path) -> None:
        self.slack = slack
        self.state = state
        self.state.mkdir(mode=0o700)
        self.toml = POSTS.format(channel="C0OPS")
        self.engine = FakeEngine()
        self.late = timedelta(0)
        self.environment = {
            "SLACK_API_URL": slack.api_url,
            "SLACK_BOT_TOKEN": slack.bot_token,
            "SLACK_APP_TOKEN": slack.app_token,
        }

    def examined(self) -> Outcome:
        """`check`, asked by an administrator."""
        with self._house() as house:
            return house.say("check")

    @contextmanager
    def _house(self) -> Iterator[House]:
        made = settings(self.state, toml=self.toml, **self.environment)
        app = build(
            made,
            handlers.load(),
            engines={"local": self.engine},
            clock=lambda: datetime.now(UTC) + self.late,
        )
        try:
            assert app.sole.take("serve")
            app.begin()
            yield House(app)
        finally:
            app.end()


@pytest.fixture
def patient(playground: Playground, tmp_path: Path) -> Patient:
    """One in good health: nothing is wrong until a test breaks it."""
    return Patient(playground, tmp_path / "state")


def test_in_a_healthy_house_nothing_is_named(patient: Patient) -> None:
    """Everything was looked at, and all of it is well; nothing was posted, and no secret told."""
    outcome = patient.examined()
    assert troubles(outcome) == {}
    assert outcome.status is Status.SUCCEEDED
    looked_at = {one["check"] for one in rows(outcome)}
    assert {"bot-token", "scopes", "clock", "events", "channel", "host", "archive", "database"} <= looked_at
    assert {"audit", "schedules", "serving", "programs", "time-zones", "state-directory"} <= looked_at
    assert not [call for call in patient.slack.world.calls() if call.method.startswith("chat.")]


def test_a_wrong_bot_token(patient: Patient) -> None:
    """One that Slack does not know."""
    patient.environment["SLACK_BOT_TOKEN"] = "xoxb-nobody-knows-this"
    refuse_unnamed(
        patient.examined(), "wrong bot-token", "SLACK_BOT_TOKEN", "invalid_auth", "Copy it once more"
    )


def test_an_app_token_in_the_bots_place(patient: Patient) -> None:
    """Named without asking Slack."""
    patient.environment["SLACK_BOT_TOKEN"] = patient.slack.app_token
    refuse_unnamed(patient.examined(), "wrong bot-token", "an app-level token (xapp-…)", "begins with xoxb-")


def test_a_bot_token_in_the_apps_place(patient: Patient) -> None:
    """The other way round."""
    patient.environment["SLACK_APP_TOKEN"] = patient.slack.bot_token
    refuse_unnamed(
        patient.examined(), "wrong events", "SLACK_APP_TOKEN holds a bot token", "begins with xapp-"
    )


def test_a_revoked_token(patient: Patient) -> None:
    """What helps is another thing than copying it again."""
    patient.slack.faults.next("auth.test", Fault.error("token_revoked"))
    refuse_unnamed(
        patient.examined(), "wrong bot-token", "token_revoked", "Install the app into the workspace again"
    )


def test_a_wrong_app_token(patient: Patient) -> None:
    """Slack does not know it."""
    patient.environment["SLACK_APP_TOKEN"] = "xapp-1-nobody-knows-this"
    refuse_unnamed(patient.examined(), "wrong events", "SLACK_APP_TOKEN", "invalid_auth")


def test_tokens_of_two_apps(tmp_path: Path) -> None:
    """Slack knows both, but the commands of the one never come in by the socket of the other."""
    theirs = Credentials(app_token="xapp-1-A0OTHER-0123456789")
    with Playground(scopes=SCOPES, credentials=theirs) as slack:
        outcome = Patient(slack, tmp_path / "state").examined()
    refuse_unnamed(outcome, "wrong app", "A0PLAY", "A0OTHER", "of one app")
    assert list(troubles(outcome)) == ["wrong app"]


def test_tokens_of_one_app(tmp_path: Path) -> None:
    """It is said which one that is."""
    with Playground(scopes=SCOPES) as slack:
        outcome = Patient(slack, tmp_path / "state").examined()
    assert troubles(outcome) == {}
    assert "A0PLAY" in next(one["what"] for one in rows(outcome) if one["check"] == "app")


def test_socket_mode_is_off(patient: Patient) -> None:
    """Somebody switched it off in the app's settings."""
    patient.slack.disconnect("link_disabled")
    refuse_unnamed(patient.examined(), "wrong events", "Socket Mode", "Switch Socket Mode on")


def test_no_way_for_slack_to_reach_us(patient: Patient) -> None:
    """Neither an app token nor a signing secret."""
    del patient.environment["SLACK_APP_TOKEN"]
    refuse_unnamed(patient.examined(), "wrong events", "SLACK_SIGNING_SECRET", "xapp-")


def test_a_token_in_the_signing_secrets_place(patient: Patient) -> None:
    """It would make every signature wrong."""
    del patient.environment["SLACK_APP_TOKEN"]
    patient.environment["SLACK_SIGNING_SECRET"] = patient.slack.app_token
    refuse_unnamed(
        patient.examined(), "wrong events", "SLACK_SIGNING_SECRET holds a token", "Basic Information"
    )


def test_no_tokens_at_all(patient: Patient) -> None:
    """A shell that only asks Docker may mean that; everything else is looked at all the same."""
    for variable in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"):
        del patient.environment[variable]
    outcome = patient.examined()
    refuse_unnamed(outcome, "warning slack", "Is that meant?", "SLACK_BOT_TOKEN", "shipkeeper manifest")
    assert list(troubles(outcome)) == ["warning slack"]
    assert not patient.slack.world.calls()


@pytest.mark.parametrize("scopes", [SCOPES - {"files:write", "users:read"}], ids=["less"])
def test_missing_scopes(patient: Patient) -> None:
    """By name, as the header of auth.test has them."""
    refuse_unnamed(patient.examined(), "wrong scopes", "files:write and users:read", "install the app")


@pytest.mark.parametrize("scopes", [SCOPES - {"im:history"}], ids=["less"])
def test_a_missing_optional_scope(patient: Patient) -> None:
    """The bot works without it, so that is only a warning."""
    refuse_unnamed(patient.examined(), "warning scopes", "im:history")


@pytest.mark.parametrize("scopes", [SCOPES | {"admin.users:read"}], ids=["more"])
def test_a_scope_that_nobody_uses(patient: Patient) -> None:
    """More than the manifest asks for is a danger without a use."""
    refuse_unnamed(patient.examined(), "warning scopes", "nobody uses admin.users:read")


@pytest.mark.parametrize("scopes", [NOT_WHERE_IT_IS_NO_MEMBER], ids=["not-public"])
def test_a_channel_without_the_bot(patient: Patient) -> None:
    """What is posted there would never arrive."""
    patient.toml = POSTS.format(channel="C0RANDOM")
    refuse_unnamed(patient.examined(), "wrong channel", "not in #random", "heads of the audit log", "/invite")


def test_a_channel_that_may_be_posted_to_from_outside(patient: Patient) -> None:
    """With chat:write.public messages arrive, and files do not."""
    patient.toml = POSTS.format(channel="C0RANDOM")
    refuse_unnamed(patient.examined(), "warning channel", "no files", "/invite")


def test_a_channel_that_is_not_there(patient: Patient) -> None:
    """A mistyped id of an approval rule, or a private channel without the bot."""
    patient.toml = ROLES + (
        '[approvals.all]\ncommands = ["restore"]\napprovers = "operators"\nowners = "C0NOBODY"\n'
    )
    refuse_unnamed(
        patient.examined(), "wrong channel", "C0NOBODY", "approval rule all", "whether the id is right"
    )


def test_an_archived_channel(patient: Patient) -> None:
    """Nothing can be posted to it."""
    place = patient.slack.world.channels["C0OPS"]
    patient.slack.add_channel(Channel(id=place.id, name=place.name, members=place.members, is_archived=True))
    refuse_unnamed(patient.examined(), "wrong channel", "#ops", "archived")


@pytest.mark.parametrize("scopes", [SCOPES - {"channels:read"}], ids=["less"])
def test_a_channel_that_nobody_may_look_at(patient: Patient) -> None:
    """Without the optional scope it is not claimed that all is well."""
    refuse_unnamed(patient.examined(), "warning channel", "C0OPS", "channels:read")


@pytest.mark.parametrize(
    ("late", "says"), [(timedelta(minutes=3), "ahead of Slack’s"), (-timedelta(minutes=3), "behind Slack’s")]
)
def test_a_clock_that_is_wrong(patient: Patient, late: timedelta, says: str) -> None:
    """By Slack's Date header, before signatures are refused."""
    patient.late = late
    refuse_unnamed(patient.examined(), "wrong clock", says, "NTP")


def test_a_slack_that_answers_with_errors(patient: Patient) -> None:
    """An outage is no fault of the tokens."""
    patient.slack.faults.outage(True)
    outcome = patient.examined()
    refuse_unnamed(outcome, "wrong bot-token", "Slack does not answer", "HTTP 503", "firewall")
    refuse_unnamed(outcome, "wrong events", "Slack does not answer")


def test_a_mute_slack_a_mute_host_and_a_mute_registry_cost_less_than_ten_seconds(
    playground: Playground, tmp_path: Path, fake_engine: FakeEngine
) -> None:
    """All at once, as when a network falls silent: each is named, and what is near is still looked at."""
    state = tmp_path / "state"
    with BlackHole(playground_port(playground)) as hole:
        hole.swallow()
        address = f"127.0.0.1:{hole.port}"
        made = settings(
            state,
            SLACK_API_URL=f"http://{address}/api/",
            SLACK_BOT_TOKEN=playground.bot_token,
            SLACK_APP_TOKEN=playground.app_token,
        )
        far = DockerEngine("far", base_url=f"tcp://{address}", access=Access())
        mute = HttpRegistry("mute", address, tls=Tls(insecure_http=True))
        engines = {"local": fake_engine, "far": far}
        with at_work(made, engines, registries=Registries([Known(registry=mute, rules=Rules())])) as house:
            began = time.monotonic()
            outcome = house.say("check")
            took = time.monotonic() - began
    print(f"check with everything mute took {took:.2f} s")
    assert took < LONGEST_SECONDS
    for named in ("wrong bot-token", "wrong events", "wrong host", "wrong registry"):
        refuse_unnamed(outcome, named)
    assert "host far" in next(
        one["remedy"] for one in rows(outcome) if one["check"] == "host" and one["remedy"]
    )
    assert {"database", "archive"} <= {one["check"] for one in rows(outcome) if one["state"] == "ok"}


def playground_port(slack: Playground) -> int:
    """Where it listens."""
    return int(slack.url.rpartition(":")[2])


def test_the_doctor_answers_in_chat(work: Workplace) -> None:
    """As any other look: privately, with the remedies in the message."""
    work.engine.forbidden = ("POST /containers/{id}/pause",)
    message = work.told(work.slash("/docker", "check"), Status.FAILED)
    assert "POST /containers/{id}/pause" in message.text
    assert "deploy/docker-socket-proxy.cfg" in message.text
    assert message.ephemeral_for == "U0ANN"


def test_people_see_only_what_they_may_look_at(closed: Workplace) -> None:
    """Hosts that a role does not reach are not named to its members, only counted."""
    closed.more_toml = '[roles.few]\nmembers = ["U0BOB"]\nright = "view"\nhosts = ["shop"]\n'
    closed.more_engines["shop"] = FakeEngine("shop")
    closed.open()
    try:
        message = closed.told(closed.slash("/docker", "check", user="U0BOB"), Status.PARTIAL)
        assert "1 more is about what you may not look at." in message.text
        assert "Host local" not in str(message.blocks)
        assert "Host shop" in str(message.blocks)
        closed.refuse_untrue()
    finally:
        closed.close()
