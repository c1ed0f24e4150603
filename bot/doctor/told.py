"""What the doctor found, as a reply: what is wrong first, each with its remedy. Must not know who asks, or where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.doctor import Finding, State
from bot.language import say, say_count
from bot.model import Reply, Status, Table, Value

_STATUS = {State.OK: Status.SUCCEEDED, State.WARNING: Status.PARTIAL, State.WRONG: Status.FAILED}
_MARKS = {State.WARNING: "⚠️", State.WRONG: "❌"}
_WORST_FIRST = (State.WRONG, State.WARNING, State.OK)
_SHOWN = 8
"""Problems that are told in full above the table, which has all of them."""

COLUMNS = ("check", "state", "what", "remedy")


def told(findings: Sequence[Finding], hidden: int = 0) -> Reply:
    """The reply; `hidden` are about what whoever asks may not look at."""
    ordered = sorted(findings, key=lambda one: _WORST_FIRST.index(one.state))
    worst = ordered[0].state if ordered else State.OK
    facts: dict[str, Value] = {}
    for finding in findings:
        facts |= finding.facts
    return Reply(
        text="\n".join([_summary(findings, hidden), *_problems(ordered)]),
        facts={**_counts(findings), **facts},
        table=Table(columns=COLUMNS, rows=tuple((_row(one)) for one in ordered)),
        status=_STATUS[worst],
    )


def _row(one: Finding) -> tuple[Value, ...]:
    return (one.check, one.state.value, one.what, one.remedy)


def _counts(findings: Sequence[Finding]) -> Mapping[str, Value]:
    return {
        "checks": len(findings),
        "wrong": sum(one.state is State.WRONG for one in findings),
        "warnings": sum(one.state is State.WARNING for one in findings),
    }


def _summary(findings: Sequence[Finding], hidden: int) -> str:
    counts = _counts(findings)
    looked = say_count("1 thing was looked at", "{number} things were looked at", len(findings))
    if not counts["wrong"] and not counts["warnings"]:
        said = say("{looked}, and all is well.", looked=looked)
    else:
        said = say(
            "{looked}: {wrong} wrong, {warnings} to be warned of. Nothing was changed.",
            looked=looked,
            wrong=counts["wrong"],
            warnings=counts["warnings"],
        )
    if hidden:
        more = say_count(
            "1 more is about what you may not look at.",
            "{number} more are about what you may not look at.",
            hidden,
        )
        said = f"{said} {more}"
    return said


def _problems(ordered: Sequence[Finding]) -> list[str]:
    troubles = [one for one in ordered if one.state is not State.OK]
    lines = [
        f"{_MARKS[one.state]} {one.check}: {one.what} {one.remedy}".rstrip() for one in troubles[:_SHOWN]
    ]
    if len(troubles) > _SHOWN:
        lines.append(say("and {count} more", count=len(troubles) - _SHOWN))
    return lines
