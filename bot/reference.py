"""References to images, by the grammar of the distribution project and with Docker's rules for short names.

Words only: it asks no registry and no engine. Source: the package `reference` of github.com/distribution/reference.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from bot.errors import UsageError
from bot.language import say

DOCKER_HUB = "docker.io"
LATEST = "latest"
MOST_NAME_CHARACTERS = 255
"""Of the registry and the repository together."""

_MOST_SHOWN = 100
_OLD_HUB = "index.docker.io"
_OFFICIAL = "library/"
_COMPONENT = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = rf"(?:{_COMPONENT}(?:\.{_COMPONENT})*|\[[a-fA-F0-9:]+\])"
_REGISTRY = re.compile(rf"{_HOST}(?::[0-9]+)?")
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*):([0-9a-fA-F]{32,})")
_IDENTIFIER = re.compile(r"[0-9a-f]{64}")
_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}


@dataclass(frozen=True, kw_only=True)
class Reference:
    """An image's name: `registry` (host, perhaps with a port), `repository` (its path there), tag, digest or `""`."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def text(self) -> str:
        """All of it, nothing left out that was said: `docker.io/library/web:1`."""
        return self.name + self._end

    @property
    def familiar(self) -> str:
        """As short as Docker shows it and still means the same: `web:1`."""
        if self.registry == DOCKER_HUB:
            for short in (self.repository.removeprefix(_OFFICIAL), self.repository):
                if _is_same(short + self._end, self):
                    return short + self._end
        return self.text

    @property
    def tagged(self) -> Reference:
        """With the tag `latest` when it has neither tag nor digest."""
        return self if self.tag or self.digest else replace(self, tag=LATEST)

    def __str__(self) -> str:
        return self.familiar

    @property
    def _end(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def names_registry(word: str) -> bool:
    """Whether the word begins with a registry; without one Docker means Docker Hub, and shipkeeper the company's."""
    first, slash, _ = word.partition("/")
    return bool(slash) and (
        first == "localhost" or any(sign in first for sign in ".:") or first.lower() != first
    )


def parse(word: str) -> Reference:
    """What the word names, as `docker` reads it; raises UsageError with a sentence that says what is wrong."""
    if _IDENTIFIER.fullmatch(word):
        raise _refused(word, say("64 hexadecimal digits are an image’s id and cannot name a repository"))
    registry, rest = _split(word)
    rest, at, digest = rest.partition("@")
    path, colon, tag = rest.partition(":")
    made = Reference(registry=registry, repository=path, tag=tag, digest=digest)
    problem = _of_name(made) or (_of_tag(tag) if colon else "") or (_of_digest(digest) if at else "")
    if problem:
        raise _refused(word, problem)
    return made


def is_registry(word: str) -> bool:
    """Whether it is a registry's host, perhaps with a port, by the grammar."""
    port = word.rpartition(":")[2] if re.search(r":[0-9]+$", word) and not word.endswith("]") else "1"
    return _REGISTRY.fullmatch(word) is not None and 0 < int(port) < 1 << 16


def is_repository(path: str) -> bool:
    """Whether it is the path of a repository within a registry."""
    return _REPOSITORY.fullmatch(path) is not None


def is_digest(text: str) -> bool:
    """Whether it is a digest."""
    return not _of_digest(text)


def _split(word: str) -> tuple[str, str]:
    """Registry and rest: the first part is a registry if it cannot be a repository’s, or is `localhost`."""
    if not names_registry(word):
        registry, rest = DOCKER_HUB, word
    else:
        registry, _, rest = word.partition("/")
        registry = DOCKER_HUB if registry == _OLD_HUB else registry
    if registry == DOCKER_HUB and "/" not in rest:
        rest = _OFFICIAL + rest
    return registry, rest


def _of_name(made: Reference) -> str:
    if not _REGISTRY.fullmatch(made.registry):
        return say("“{registry}” is no registry’s host", registry=_shown(made.registry))
    if made.repository.lower() != made.repository:
        return say("a repository’s name has no capital letters")
    if not is_repository(made.repository):
        return say(
            "“{repository}” is no repository: lower-case letters and digits, with one `.`, "
            "one or two `_`, or `-` between them, in parts with `/` between",
            repository=_shown(made.repository),
        )
    if len(made.name) > MOST_NAME_CHARACTERS:
        return say(
            "the name is longer than {most} characters",
            most=MOST_NAME_CHARACTERS,
        )
    return ""


def _of_tag(tag: str) -> str:
    if _TAG.fullmatch(tag):
        return ""
    return say(
        "“{tag}” is no tag: at most 128 letters, digits, `_`, `.` and `-`, the first no `.` or `-`",
        tag=_shown(tag),
    )


def _of_digest(digest: str) -> str:
    """Of the registered algorithms the length is known, and their digits are lower-case (OCI image specification)."""
    found = _DIGEST.fullmatch(digest)
    if found is None:
        return say(
            "“{digest}” is no digest, such as sha256: and 64 hexadecimal digits", digest=_shown(digest)
        )
    algorithm, digits = found.groups()
    wanted = _DIGITS.get(algorithm, len(digits))
    if len(digits) != wanted or (algorithm in _DIGITS and digits.lower() != digits):
        return say(
            "{algorithm} has {wanted} lower-case hexadecimal digits", algorithm=algorithm, wanted=wanted
        )
    return ""


def _is_same(short: str, made: Reference) -> bool:
    try:
        return parse(short) == made
    except UsageError:
        return False


def _refused(word: str, why: str) -> UsageError:
    return UsageError(
        say(
            "“{word}” is not the name of an image: {reason}. Nothing was changed.",
            word=_shown(word),
            reason=why,
        )
    )


def _shown(word: str) -> str:
    """A word of anybody's, fit for a sentence."""
    plain = "".join(sign if sign.isprintable() else "�" for sign in word)
    return plain if len(plain) <= _MOST_SHOWN else plain[: _MOST_SHOWN - 1] + "…"
