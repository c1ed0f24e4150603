"""The sections that say who may do what, and who is behind a shell. Words only, as all sections."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from bot.sections import Section
from bot.sections.targets import of_a_kind

_PERSON = re.compile(r"[UW][A-Z0-9]{2,20}")
_GROUP = re.compile(r"S[A-Z0-9]{2,20}")
_SHELL_USER = re.compile(r"[^\s:/\0]{1,64}")


class RoleSection(Section):
    """Who may do what, where. Give `members`, `groups` or both, and either `right` or `commands`.

    Until a role names a shell user (`cli:NAME`), whoever has a shell is an administrator; from then on shells need
    a role like everybody else.
    """

    members: tuple[str, ...] = Field(
        (),
        description="Slack user ids, such as U012ABCDEF, and shell users, such as cli:ann; names decide nothing",
    )
    groups: tuple[str, ...] = Field(
        (), description="ids of Slack user groups, such as S012ABCDEF, whose members are meant"
    )
    right: Literal["view", "operate", "admin"] | None = Field(
        None, description="all commands that need no more than this"
    )
    commands: tuple[str, ...] = Field((), description="or: the names of the commands, or *")
    targets: tuple[str, ...] = Field(("*",), description="patterns such as volume:shop-*")
    channels: tuple[str, ...] = Field(("*",), description="Slack channel ids, or *")
    hosts: tuple[str, ...] = Field(("*",), description="patterns of Docker hosts, such as prod-*")

    @field_validator("targets")
    @classmethod
    def _of_a_kind(cls, targets: tuple[str, ...]) -> tuple[str, ...]:
        return of_a_kind(targets)

    @field_validator("members")
    @classmethod
    def _ids_only(cls, members: tuple[str, ...]) -> tuple[str, ...]:
        for member in members:
            kind, _, name = member.rpartition(":")
            if not (_PERSON.fullmatch(member) or (kind == "cli" and _SHELL_USER.fullmatch(name))):
                hint = "; groups go to `groups`" if _GROUP.fullmatch(member) else ""
                raise ValueError(
                    f"{member!r} is not a Slack user id (they look like U012ABCDEF), nor a shell user (cli:NAME)"
                    f"{hint}"
                )
        return members

    @field_validator("groups")
    @classmethod
    def _groups_only(cls, groups: tuple[str, ...]) -> tuple[str, ...]:
        for group in groups:
            if not _GROUP.fullmatch(group):
                raise ValueError(f"{group!r} is not the id of a Slack user group (they look like S012ABCDEF)")
        return groups

    @model_validator(mode="after")
    def _somebody(self) -> RoleSection:
        if not {"members", "groups"} & self.model_fields_set:
            raise ValueError("give `members`, `groups` or both")
        return self

    @model_validator(mode="after")
    def _one_of_both(self) -> RoleSection:
        if bool(self.right) == bool(self.commands):
            raise ValueError("give either `right` or `commands`, not both and not neither")
        return self


class ShellUsersSection(Section):
    """Shell users by name, each with the Slack id of the same person, whose roles they then have, too."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, str]

    @property
    def slack_ids(self) -> dict[str, str]:
        """Slack ids by the names of shell users."""
        return dict(self.__pydantic_extra__ or {})

    @model_validator(mode="after")
    def _people_only(self) -> ShellUsersSection:
        for name, slack_id in self.slack_ids.items():
            if not _SHELL_USER.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a shell user; leave `cli:` away")
            if not _PERSON.fullmatch(slack_id):
                raise ValueError(f"{slack_id!r} is not a Slack user id (they look like U012ABCDEF)")
        return self
