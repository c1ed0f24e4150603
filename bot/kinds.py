"""The typed kinds of arguments: what a word of a command line may be. Knows no command and no store."""

from __future__ import annotations

import re
from typing import ClassVar, Self

from bot import reference
from bot.errors import UsageError
from bot.language import later, say
from bot.sources import Source


class Kind(str):
    """A checked word: `noun` names it in usage lines, `shape` is its pattern, `hint` says so in words, once said.

    `sources` say what it could be completed to; none for what nobody can guess. A number has a `span`.
    """

    noun: ClassVar[str]
    shape: ClassVar[re.Pattern[str]]
    hint: ClassVar[str]
    sources: ClassVar[tuple[Source, ...]] = ()
    span: ClassVar[tuple[int, int] | None] = None

    @classmethod
    def parse(cls, word: str) -> Self:
        """The word, checked; raises UsageError."""
        if not cls.shape.fullmatch(word):
            raise UsageError(
                say("“{word}” is not {hint}. Nothing was changed.", word=word, hint=say(cls.hint))
            )
        return cls(word)


class VolumeName(Kind):
    """A named volume, by Docker's rule: 2 or more of `[a-zA-Z0-9_.-]`, the first one a letter or digit."""

    noun = "VOLUME"
    sources: ClassVar[tuple[Source, ...]] = (Source.VOLUME,)
    shape = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{1,254}")
    hint = later("the name of a volume (letters, digits, `_`, `.` and `-`, at least two of them)")


class NewVolumeName(VolumeName):
    """A volume that is not there yet, so that there is nothing to choose from."""

    sources: ClassVar[tuple[Source, ...]] = ()


class SourceName(Kind):
    """What is backed up: a volume, or a path in a container as `docker cp` writes it."""

    noun = "VOLUME|CONTAINER:/PATH"
    sources = (Source.VOLUME, Source.BACKED_UP)
    shape = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{1,254}(?::/[^\0\n]{0,4000})?")
    hint = later(
        "the name of a volume (letters, digits, `_`, `.` and `-`, at least two of them), nor CONTAINER:/PATH, such as "
        "web:/etc/nginx"
    )

    @property
    def is_path(self) -> bool:
        """Whether it is a path in a container."""
        return ":" in self


class BackupReference(Kind):
    """A backup: the id of the run that made it, or `<UTC time>-<run id>` as its files are named.

    A run may make several: then what it is of and a slash stand before, as in `pgdata/7f3a2c1b`.
    """

    noun = "BACKUP"
    sources: ClassVar[tuple[Source, ...]] = (Source.BACKUP,)
    shape = re.compile(rf"(?:{SourceName.shape.pattern}/)?(?:\d{{8}}T\d{{6}}Z-)?[0-9a-f]{{8}}")
    hint = later("a backup’s id (8 characters such as 7f3a2c1b, or its file’s name); `backups` lists them")


class RunId(Kind):
    """A run: 8 hexadecimal digits."""

    noun = "RUN"
    sources = (Source.RUN,)
    shape = re.compile(r"[0-9a-f]{8}")
    hint = later("a run’s id (8 characters such as 7f3a2c1b); `runs` lists them")


class HostName(Kind):
    """A host of the settings."""

    noun = "HOST"
    sources = (Source.HOST,)
    shape = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
    hint = later("the name of a host")


class Text(Kind):
    """Any words."""

    noun = "TEXT"
    shape = re.compile(r".*", re.DOTALL)
    hint = later("text")


class CommandName(Kind):
    """The name of a command."""

    noun = "COMMAND"
    sources = (Source.COMMAND,)
    shape = re.compile(r"\S+")
    hint = later("the name of a command; `help` lists them")


class Count(Kind):
    """A number from 1 to 999."""

    noun = "N"
    shape = re.compile(r"[1-9][0-9]{0,2}")
    hint = later("a number from 1 to 999")
    span = (1, 999)


class Day(Kind):
    """A day, as in ISO 8601."""

    noun = "YYYY-MM-DD"
    shape = re.compile(r"\d{4}-\d{2}-\d{2}")
    hint = later("a day, written like 2027-01-31")


class ContainerName(Kind):
    """A container, by its name or its id."""

    noun = "CONTAINER"
    sources: ClassVar[tuple[Source, ...]] = (Source.CONTAINER,)
    shape = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{1,254}")
    hint = later("the name or id of a container (letters, digits, `_`, `.` and `-`, at least two of them)")


class NewContainerName(ContainerName):
    """A container that is not there yet."""

    sources: ClassVar[tuple[Source, ...]] = ()


class Pattern(Kind):
    """Names, with `*` for any characters and `?` for one."""

    noun = "PATTERN"
    shape = re.compile(r"[^\s\0]{1,300}")
    hint = later("a name, in which * stands for any characters and ? for one")


class PageNumber(Kind):
    """Which page of a list."""

    noun = "N"
    shape = re.compile(r"[1-9][0-9]{0,5}")
    hint = later("the number of a page")
    span = (1, 999_999)


class RunbookName(Kind):
    """A runbook of the settings."""

    noun = "RUNBOOK"
    sources = (Source.RUNBOOK,)
    shape = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
    hint = later("the name of a runbook; `runbooks` lists them")


class Assignment(Kind):
    """A value for a name; `name` and `value` are its two sides."""

    noun = "NAME=VALUE"
    shape = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,254}=[^\0]*", re.DOTALL)
    hint = later("NAME=VALUE, such as table=orders")

    @property
    def name(self) -> str:
        """What stands before the first `=`."""
        return self.partition("=")[0]

    @property
    def value(self) -> str:
        """What stands behind it."""
        return self.partition("=")[2]


class PlanCode(Kind):
    """What confirms a plan: made from all that the plan was made from."""

    noun = "CODE"
    shape = re.compile(r"[0-9a-f]{16}")
    hint = later("the code of a plan (16 characters, as the plan shows it)")


class ImageReference(Kind):
    """The name of an image as `docker` takes it, as it was typed; `bot.reference` has the grammar."""

    noun = "IMAGE"
    sources = (Source.IMAGE,)
    shape = re.compile(r"\S+")
    hint = later("the name of an image, such as team/web:1.4")

    @classmethod
    def parse(cls, word: str) -> Self:
        """The word, checked; raises UsageError, which says what the grammar does not allow."""
        reference.parse(word)
        return cls(word)


class RepositoryName(ImageReference):
    """The name of a repository: of an image without a tag and a digest."""

    noun = "REPOSITORY"
    sources = (Source.REPOSITORY,)

    @classmethod
    def parse(cls, word: str) -> Self:
        """The word, checked; raises UsageError."""
        named = reference.parse(word)
        if named.tag or named.digest:
            sentence = later(
                "“{word}” names one image of a repository. Nothing was changed; leave out the tag or digest."
            )
            raise UsageError(say(sentence, word=word))
        return cls(word)


class BuildName(Kind):
    """A build of the settings."""

    noun = "BUILD"
    sources = (Source.BUILD,)
    shape = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
    hint = later("the name of a build in the settings; `builds` lists them")


class RegistryName(Kind):
    """A registry of the settings."""

    noun = "REGISTRY"
    sources = (Source.REGISTRY,)
    shape = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
    hint = later("the name of a registry in the settings; `registries` lists them")


class CopySource(Kind):
    """What is copied: a path in a container, a file of Slack's, or a path of a shell's machine."""

    noun = "SOURCE"
    shape = re.compile(r"[^\0\n]+")
    hint = later(
        "what could be copied: CONTAINER:/PATH, `upload`, a Slack file’s id or link, or in a shell a path"
    )


class CopyDestination(Kind):
    """Where it goes: a path in a container, Slack, or a path of a shell's machine."""

    noun = "DESTINATION"
    shape = re.compile(r"[^\0\n]+")
    hint = later("where something could be copied: CONTAINER:/PATH, `slack`, or in a shell a path")


class RestorableName(BackupReference):
    """A backup or a snapshot."""

    noun = "BACKUP|SNAPSHOT"
    sources = (Source.BACKUP, Source.SNAPSHOT)
    hint = later(
        "a backup’s or a snapshot’s id (8 characters such as 7f3a2c1b, or the name of a backup’s file); `backups` and "
        "`snapshots` list them"
    )


class UserId(Kind):
    """A person, by Slack's id; a mention is one when it arrives here."""

    noun = "USER"
    shape = re.compile(r"[UW][A-Z0-9]{2,20}")
    hint = later("a person’s id in Slack, such as U024BE7LH")


class TargetName(Kind):
    """What a command is about: `volume:pgdata`, or only the name."""

    noun = "TARGET"
    shape = re.compile(r"[^\s\0]{1,4300}")
    hint = later("what a command could be about, such as volume:pgdata")
