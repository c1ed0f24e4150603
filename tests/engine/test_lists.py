"""Lists, volumes and runbooks on a real Docker engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.engine import RUN_LABEL
from bot.model import Outcome, Status
from tests.support.house import House, at_work, settings
from tests.support.yard import Yard, refuse_untrue_of

pytestmark = pytest.mark.engine

SECRET = "canary-runbook-5ecret"
TOML = """
[hosts.local]
address = "{url}"
[hosts.gone]
address = "unix:///nowhere/docker.sock"
[runbooks.say]
command = "printf '%s ' {{what}} \\"$TOKEN\\"; echo $PASSWORD >&2; exit 4"
containers = ["*"]
shell = true
[runbooks.say.parameters.what]
pattern = ".*"
[runbooks.say.parameters.password]
secret = true
variable = "SAID_PASSWORD"
[runbooks.forever]
command = ["sleep", "4711"]
containers = ["*"]
seconds = 1
"""


@pytest.fixture(scope="module")
def looking(yard: Yard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house over the real engine, and over a host that is not there."""
    state: Path = tmp_path_factory.mktemp("looking") / "state"
    made = settings(state, toml=TOML.format(url=yard.url), SAID_PASSWORD=SECRET)
    with at_work(made, {}) as house:
        yield house
        with pytest.MonkeyPatch.context() as patch:
            patch.delitem(house.app.services.engines, "gone")  # type: ignore[arg-type]
            refuse_untrue_of(house.app, yard)


def _rows(outcome: Outcome) -> list[dict[str, object]]:
    table = outcome.reply.table
    assert table is not None, outcome.reply.text
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def test_a_volume_is_made_protected_and_removed(looking: House, yard: Yard) -> None:
    """Made with labels; refused while it is used, unprotected or changed; removed once its plan is confirmed."""
    volume = f"{yard.volume('made')}-x"
    made = looking.say(f"create-volume {volume} --label team=shop")
    assert made.status is Status.SUCCEEDED, made.reply.text
    yard.volumes.append(volume)
    labels = yard.bench.api.inspect_volume(volume)["Labels"]
    assert (labels["team"], labels[RUN_LABEL]) == ("shop", made.run_id)
    container = yard.user("user", volume)
    assert "is used by" in looking.say(f"remove-volume {volume}").reply.text
    (yard.mountpoint(volume) / "file").write_text("work")
    assert (
        "is not empty" not in looking.say(f"undo {made.run_id}").reply.text
    )  # it is used, which is told first
    yard.bench.remove(container)
    yard._users.remove(container)
    assert "is not empty any more" in looking.say(f"undo {made.run_id}").reply.text
    taken = looking.say(f"backup {volume}").run_id
    asked = looking.say(f"remove-volume {volume}")
    assert (asked.status, "nothing in it changed" in asked.reply.text) == (Status.PARTIAL, True)
    (row,) = _rows(looking.say(f"volumes {volume} --sizes"))
    assert (row["newest_backup"], row["used_by"], row["size_bytes"]) == (taken, "", 4)
    gone = looking.say(asked.reply.buttons[0].line)
    assert gone.status is Status.SUCCEEDED, gone.reply.text
    assert volume not in {one["Name"] for one in yard.bench.api.volumes()["Volumes"]}
    yard.volumes.remove(volume)
    assert gone.reply.buttons[0].line == f"restore {taken} --into {volume} --host local"


def test_a_runbook_in_a_real_container(looking: House, yard: Yard) -> None:
    """The exit code, both outputs, a value as it was given and a secret only in the environment; a limit that kills."""
    volume = yard.volume("runbook")
    container = yard.user("user", volume)
    done = looking.say(f"exec {container} say 'what=$(id) `id`'")
    assert (done.status, done.reply.facts["exit_code"]) == (Status.FAILED, 4)
    assert done.reply.output == "$(id) `id`  \n--- standard error ---\n•••"
    assert SECRET not in str(done)
    late = looking.say(f"exec {container} forever")
    assert "took longer than 1 s and was killed" in late.reply.text
    assert "4711" not in str(yard.bench.api.top(container)["Processes"])


def test_what_is_listed_is_what_docker_has(looking: House, yard: Yard) -> None:
    """Containers and images of the engine are found by name, and the dead host is named beside them."""
    container = yard.user("listed", yard.volume("listed"))
    (row,) = _rows(looking.say(f"containers {container} --state running"))
    assert (row["container"], row["image"], row["volumes"]) == (container, yard.bench.image, yard.volumes[-1])
    (image,) = _rows(looking.say(f"images {yard.bench.image}"))
    assert container in str(image["used_by"])
    assert int(str(image["size_bytes"])) > 0
    local, gone = _rows(looking.say("hosts"))
    assert (local["answers"], gone["answers"]) == (True, False)
    both = looking.say(f"containers {container} --all-hosts")
    assert len(_rows(both)) == 1
    assert "“gone”" in both.reply.text
