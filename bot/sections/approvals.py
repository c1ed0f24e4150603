"""The settings of approvals: which commands on what need somebody else's word, and whose. Words only."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase

from pydantic import Field, field_validator

from bot.sections import Section
from bot.sections.targets import of_a_kind

_OWNERS = re.compile(r"[CDGUW][A-Z0-9]{2,20}")
_NOBODY = ("", "none")


class ApprovalSection(Section):
    """A rule: such runs wait until enough people of a role approved them. Each rule that matches must be satisfied."""

    commands: tuple[str, ...] = Field(min_length=1, description="patterns of the commands it is for")
    targets: tuple[str, ...] = Field(
        ("*",), min_length=1, description="patterns such as `volume:pg*`; one of a run’s targets is enough"
    )
    hosts: tuple[str, ...] = Field(("*",), min_length=1, description="patterns of the Docker hosts")
    approvers: str = Field(description="the role whose members may approve, but never who asked")
    count: int = Field(1, ge=1, le=20, description="so many different people")
    minutes: int = Field(
        30, ge=1, le=43_200, description="so long it waits, and so long an approval is good for"
    )
    break_glass: str = Field("", description="the role that may do without, with a reason; nobody, if empty")
    owners: str = Field(
        "",
        description="the id of the Slack channel or person that is alerted then, every day until it is reviewed",
    )

    @field_validator("targets")
    @classmethod
    def _of_a_kind(cls, targets: tuple[str, ...]) -> tuple[str, ...]:
        return of_a_kind(targets)

    @field_validator("break_glass", "owners")
    @classmethod
    def _nobody(cls, name: str) -> str:
        return "" if name in _NOBODY else name

    @field_validator("owners")
    @classmethod
    def _is_an_id(cls, owners: str) -> str:
        if owners and not _OWNERS.fullmatch(owners):
            raise ValueError(
                "is no id of a Slack channel or person (they look like C012ABCDEF and U012ABCDEF)"
            )
        return owners


def refuse_unknown_roles(sections: Mapping[str, ApprovalSection], roles: Collection[str] | None) -> None:
    """Raises ValueError for a role that is not in the settings; without `roles` they are wrong themselves."""
    if roles is None:
        return
    for name, section in sections.items():
        for key, role in (("approvers", section.approvers), ("break_glass", section.break_glass)):
            if role not in roles and (role or key == "approvers"):
                near = difflib.get_close_matches(role, list(roles), n=1, cutoff=0.5)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise ValueError(f"{name}.{key}: there is no role {role!r}{hint}")


def idle_pattern(sections: Mapping[str, ApprovalSection], changing: Sequence[str]) -> str:
    """What is wrong with the first pattern that none of these commands has; empty when nothing is."""
    for name, section in sections.items():
        for pattern in section.commands:
            if not any(fnmatchcase(command, pattern) for command in changing):
                near = difflib.get_close_matches(pattern, changing, n=1, cutoff=0.5)
                hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(changing))}"
                return (
                    "The settings cannot be used:\n"
                    f"  - approvals.{name}.commands: no command that changes something is called {pattern!r}; {hint}"
                )
    return ""
