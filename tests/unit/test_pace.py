"""The limit per person in the built house: it knows who is whom, and changes while the bot is at work."""

from __future__ import annotations

from pathlib import Path

from bot.model import Actor, Status
from bot.reload import Means, Reloader
from bot.settings import read
from tests.fakes import FakeEngine
from tests.support.house import at_work, from_slack, invocation, settings

ROLES = '[roles.all]\nmembers = ["U0ANN", "U0BOB"]\nright = "admin"\n[shell_users]\nann = "U0ANN"\n'
IN_A_SHELL = Actor(id="cli:ann", name="ann")


def _limits(number: int) -> str:
    return f"{ROLES}[limits]\nper_minute = {number}\n"


def test_a_person_is_one_in_slack_and_in_a_shell(tmp_path: Path, fake_engine: FakeEngine) -> None:
    """What somebody sends in a shell counts with what they type in Slack, where the settings say who that is."""
    with at_work(settings(tmp_path / "state", toml=_limits(2)), {"local": fake_engine}) as house:
        assert house.say(from_slack("volumes")).status is Status.SUCCEEDED
        assert house.say(invocation("volumes", actor=IN_A_SHELL)).status is Status.SUCCEEDED
        refused = house.say(invocation("volumes", actor=IN_A_SHELL))
        assert refused.status is Status.REJECTED
        assert refused.reply.facts == {"reason": "too-fast"}
        assert house.say(from_slack("volumes")).status is Status.REJECTED
        assert house.say(from_slack("volumes", user="U0BOB")).status is Status.SUCCEEDED
        assert house.say(invocation("volumes")).status is Status.SUCCEEDED


def test_a_new_limit_counts_at_once(tmp_path: Path, fake_engine: FakeEngine) -> None:
    """A changed `per_minute` is taken from the file without a restart, and so is none at all."""
    made = settings(tmp_path / "state", toml=_limits(1))
    file = tmp_path / "state" / "settings.toml"
    environment = {"SHIPKEEPER_STATE": str(tmp_path / "state"), "SHIPKEEPER_SETTINGS": str(file)}
    with at_work(made, {"local": fake_engine}) as house:
        means = Means(
            read=lambda: read(environment), file=file, record=house.app.record, clock=house.app.services.clock
        )
        reloader = Reloader(made, house.app.swappers, means)
        assert house.say(from_slack("volumes")).status is Status.SUCCEEDED
        assert house.say(from_slack("volumes")).status is Status.REJECTED
        file.write_text(_limits(2))
        reloader.look(was_asked=True)
        assert house.say(from_slack("volumes")).status is Status.SUCCEEDED
        assert house.say(from_slack("volumes")).status is Status.REJECTED
        file.write_text(_limits(0))
        reloader.look(was_asked=True)
        for _ in range(5):
            assert house.say(from_slack("volumes")).status is Status.SUCCEEDED
