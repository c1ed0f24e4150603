"""The registries of the settings: which one a name means, and what may be pushed there.

Must not ask any of them; only the operations do.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from bot.errors import NotFound, UsageError
from bot.language import say
from bot.reference import LATEST, Reference, names_registry, parse
from bot.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the settings say of a registry: patterns are fnmatch's, `tag_pattern` a regular expression."""

    namespace: str = ""
    repositories: tuple[str, ...] = ("*",)
    tag_pattern: str = ""
    immutable: tuple[str, ...] = ()

    def keeps(self, tag: str) -> bool:
        """Whether a tag, once there, is never moved."""
        return any(fnmatchcase(tag, pattern) for pattern in self.immutable)


@dataclass(frozen=True, kw_only=True)
class Known:
    """A registry of the settings; `login` says in words whose login is used there."""

    registry: Registry
    rules: Rules
    login: str = ""

    @property
    def name(self) -> str:
        """As the settings call it."""
        return self.registry.name

    def target(self, reference: Reference) -> str:
        """What policies and locks call the repository."""
        return f"registry:{self.name}/{reference.repository}"

    def refuse_unwanted(self, reference: Reference) -> None:
        """Raises UsageError for a repository or a tag that the settings do not allow there."""
        rules, tag = self.rules, reference.tag
        if not any(fnmatchcase(reference.repository, pattern) for pattern in rules.repositories):
            raise UsageError(
                say(
                    "The settings allow no push to the repository {repository} of {registry}. Nothing was "
                    "changed. Allowed are {repositories}.",
                    repository=reference.repository,
                    registry=self.name,
                    repositories=", ".join(rules.repositories),
                )
            )
        if rules.tag_pattern and not re.fullmatch(rules.tag_pattern, tag):
            raise UsageError(
                say(
                    "The settings allow no push of the tag {tag} to {registry}. Nothing was changed. A tag there must "
                    "match {pattern}.",
                    tag=tag,
                    registry=self.name,
                    pattern=rules.tag_pattern,
                )
            )


class Registries:
    """All of them, the company's first."""

    def __init__(self, known: Sequence[Known] = ()) -> None:
        self.known = tuple(known)

    def named(self, name: str) -> Known:
        """The registry that the settings call so; raises NotFound with the nearest name."""
        for known in self.known:
            if known.name == name:
                return known
        names = [known.name for known in self.known]
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        if near:
            raise NotFound(
                say(
                    "There is no registry {name} in the settings; did you mean {near}? Nothing was changed.",
                    name=name,
                    near=near[0],
                )
            )
        raise NotFound(
            say(
                "There is no registry {name} in the settings; known are {names}. Nothing was changed.",
                name=name,
                names=", ".join(names) or say("none"),
            )
        )

    def of(self, reference: Reference) -> Known:
        """The registry that a complete name belongs to; raises NotFound when the settings do not know it."""
        for known in self.known:
            if known.registry.host.lower() == reference.registry.lower():
                return known
        hosts = ", ".join(known.registry.host for known in self.known) or say("none")
        raise NotFound(
            say(
                "The registry {registry} is not in the settings, so nothing is sent there and nothing is "
                "fetched. Nothing was changed. Known are {hosts}.",
                registry=reference.registry,
                hosts=hosts,
            )
        )

    def complete(self, word: str) -> Reference:
        """What a word means here: without a registry the company's, within its namespace, and never Docker Hub.

        `team/web:1` is `HOST/NAMESPACE/team/web:1`; the namespace is not put before a path that begins with it.
        """
        if names_registry(word):
            return parse(word)
        parse(word)  # what is wrong is told of what was typed
        if not self.known:
            raise NotFound(
                say(
                    "“{word}” names no registry, and the settings have none that could be meant. Nothing was changed. "
                    "Whoever keeps the settings can add [registries.NAME].",
                    word=word,
                )
            )
        company = self.known[0]
        namespace = f"{company.rules.namespace}/" if company.rules.namespace else ""
        path = word if word.startswith(namespace) else f"{namespace}{word}"
        return parse(f"{company.registry.host}/{path}")

    def destination(self, image: str, wanted: str | None) -> Reference:
        """Where an image is pushed: as `wanted` says, else as its own name does; the tag may come from the name."""
        made, own = self.complete(wanted or image), parse(image)
        if made.digest:
            raise UsageError(
                say(
                    "{reference} names an image by its digest, but a push decides that itself. Nothing was changed. "
                    "Give a tag.",
                    reference=made,
                )
            )
        return made if made.tag else replace(made, tag=own.tag or LATEST)
