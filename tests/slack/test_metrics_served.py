"""What a served bot tells Prometheus: real figures, in a format that its official client reads."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path

import pytest
import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from bot.model import Status
from bot.playground.faults import Fault
from bot.tabdoor import asked
from tests.slack.workplace import Workplace
from tests.support.house import wait_for

_DEPLOY = Path(__file__).parents[2] / "deploy"
pytestmark = pytest.mark.slack


def scraped(place: Workplace) -> dict[str, Metric]:
    """A scrape, family by family, as the official client reads it."""
    with urllib.request.urlopen(f"http://127.0.0.1:{place.port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def samples(place: Workplace, name: str) -> dict[tuple[str, ...], float]:
    """The samples of that name, by the values of their labels."""
    return {
        tuple(sample.labels.values()): sample.value
        for family in scraped(place).values()
        for sample in family.samples
        if sample.name == name
    }


def counted(place: Workplace) -> dict[tuple[str, ...], float]:
    """How runs ended, without what never happened."""
    return {labels: count for labels, count in samples(place, "shipkeeper_runs_total").items() if count}


@pytest.fixture
def busy(work: Workplace) -> Workplace:
    """A bot that made a backup, and refused somebody one."""
    work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    work.ended(work.slash("/backup", "pgdata", user="U0CAT"), Status.DENIED)
    work.ended(work.slash("/docker", "nonsense"), Status.REJECTED)
    work.wait_until_quiet()
    return work


def test_runs_are_counted_by_command_and_ending(busy: Workplace) -> None:
    """Of each run one; what was no command is called so and not by its words; a restart forgets none."""
    expected = {("backup", "succeeded"): 1.0, ("backup", "denied"): 1.0, ("none", "rejected"): 1.0}
    assert counted(busy) == expected
    busy.restart()
    assert counted(busy) == expected
    busy.told(busy.slash("/backup", "pgdata"), Status.SUCCEEDED)
    wait_for(
        lambda: samples(busy, "shipkeeper_runs_total")["backup", "succeeded"] == 2.0, saying="the next one"
    )


def test_durations_and_sizes(busy: Workplace) -> None:
    """Histograms whose buckets add up: of runs by command, and of what backups hold."""
    (kept,) = busy.bot.app.services.archive.backups()
    assert samples(busy, "shipkeeper_backup_bytes_sum") == {(): float(kept.manifest.raw.bytes)}
    assert samples(busy, "shipkeeper_backup_bytes_bucket")[("+Inf",)] == 1.0
    seconds = samples(busy, "shipkeeper_run_duration_seconds_bucket")
    assert seconds["backup", "+Inf"] == samples(busy, "shipkeeper_run_duration_seconds_count")[("backup",)]
    assert seconds["backup", "21600.0"] == seconds["backup", "+Inf"]


@pytest.mark.parametrize("closed", ["socket", "http"], indirect=True)
def test_acknowledgements_are_timed(busy: Workplace) -> None:
    """By either door, each from its arrival on."""
    assert samples(busy, "shipkeeper_ack_seconds_count")[()] >= 3.0
    in_time = samples(busy, "shipkeeper_ack_seconds_bucket")
    assert in_time[("3.0",)] == in_time[("+Inf",)]


def test_ages_queues_and_the_outbox(busy: Workplace) -> None:
    """The age of the newest verified backup; nothing waits, and nobody waits for a word."""
    busy.bot.app.alarms.look()  # which it does every minute
    age = samples(busy, "shipkeeper_last_verified_age_seconds")
    assert list(age) == [("local", "pgdata")]
    assert 0 <= age["local", "pgdata"] < 600
    assert samples(busy, "shipkeeper_queued_runs") == {("front",): 0.0, ("work",): 0.0}
    assert samples(busy, "shipkeeper_outbox_messages") == {(): 0.0}
    assert samples(busy, "shipkeeper_outbox_failing_messages") == {(): 0.0}


def test_what_slack_does_not_take_is_behind(busy: Workplace) -> None:
    """A message that is refused again and again is counted as such."""
    busy.playground.faults.next("chat.postMessage", Fault.error("internal_error"), times=10_000)
    busy.ended(busy.slash("/backup", "pgdata"), Status.SUCCEEDED)
    wait_for(lambda: samples(busy, "shipkeeper_outbox_failing_messages")[()] == 1.0, saying="a refusal")
    assert samples(busy, "shipkeeper_outbox_messages") == {(): 1.0}
    busy.playground.faults.clear()


def test_every_family_is_explained(busy: Workplace) -> None:
    """Each has its help and its type, and the figures that there were before are there."""
    found = scraped(busy)
    assert all(family.documentation and family.type != "unknown" for family in found.values())
    assert {"shipkeeper_runs", "shipkeeper_busy_workers", "shipkeeper_ready"} <= set(found)
    assert samples(busy, "shipkeeper_ready")[("database",)] == 1.0


def test_rules_and_dashboard_name_what_there_is(busy: Workplace) -> None:
    """Every metric and label that they speak of is in a scrape; each expression is balanced."""
    busy.bot.app.alarms.look()
    said = {sample.name: set(sample.labels) for family in scraped(busy).values() for sample in family.samples}
    rules = yaml.safe_load((_DEPLOY / "prometheus-alerts.yaml").read_text())
    board = json.loads((_DEPLOY / "grafana-dashboard.json").read_text())
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    spoken = [rule["expr"] for rule in alerts]
    spoken += [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert len({rule["alert"] for rule in alerts}) == len(alerts) >= 6
    for expression in spoken:
        assert expression.count("(") == expression.count(")")
        for name, _, labels in re.findall(r"\b(shipkeeper_[a-z_]+)(\{([^}]*)\})?", expression):
            assert name in said, f"{name} is in no scrape"
            assert set(re.findall(r"([a-z]+)\s*[!=]", labels)) <= said[name], expression
    for rule in alerts:
        assert {"expr", "labels", "annotations", "alert"} <= set(rule)
        assert rule["labels"]["severity"] in ("critical", "warning")


def test_a_shell_beside_it_is_answered(busy: Workplace) -> None:
    """What could follow in a command line, from what the bot knows."""
    told = asked(busy.state, ["backup", "pg"], "tester", "en")
    assert told is not None
    assert told.splitlines() == ["none", "pgdata\tin use · local"]
