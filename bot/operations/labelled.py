"""What labels of volumes and containers ask for: `shipkeeper.schedule=daily at 03:00`. Reads a host, changes nothing.

Must not know how a schedule is kept, nor what its words mean.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Collection
from dataclasses import dataclass

from bot.engine import Engine
from bot.kinds import VolumeName
from bot.stores.coding import storable

LABEL = "shipkeeper.schedule"

_OFF = frozenset({"", "off", "none", "never", "no", "false"})
"""On a volume: whatever its containers' labels say, it has no schedule."""
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")
_LONGEST_WORDS = 255
_LONGEST_NAME = 64
_WORD = re.compile(r"[A-Za-z0-9]+")


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """A volume, and the words by which a label says when it is to be backed up."""

    host: str
    volume: str
    words: str

    @property
    def key(self) -> tuple[str, str]:
        """Its host and its name."""
        return self.host, self.volume

    @property
    def target(self) -> str:
        """What a run of it holds."""
        return f"volume:{self.volume}"

    def line(self, hosts: Collection[str]) -> str:
        """The command that backs it up; its host is named where there are several."""
        return shlex.join(["backup", self.volume, *(["--host", self.host] if len(hosts) > 1 else [])])

    def name(self, hosts: Collection[str], taken: Collection[str]) -> str:
        """What its schedule is called: `label-pgdata`, or something like it where that is taken or too long."""
        return _name("-".join(["label", *self._place(hosts)]), self, taken)

    def proposed(self, hosts: Collection[str], taken: Collection[str]) -> str:
        """What a schedule that people make of it may be called: `pgdata-daily`."""
        first = self.words.split(" ")[0]
        word = first.lower() if _WORD.fullmatch(first) and not first.isdigit() else "backup"
        return _name("-".join([*self._place(hosts), word]), self, taken)

    def _place(self, hosts: Collection[str]) -> list[str]:
        return [self.host, self.volume] if len(hosts) > 1 else [self.volume]


def labelled(engine: Engine) -> tuple[Labelled, ...]:
    """Its volumes that a label asks for a schedule for, by name. Raises EngineError.

    A container's label is for each of its named volumes; of several containers the first by name counts. What a
    volume's own label says wins, also when it says `off`.
    """
    volumes = engine.volumes()
    words: dict[str, str] = {}
    for container in engine.list_containers():
        if LABEL in container.labels:
            for name in container.volumes:
                words.setdefault(name, container.labels[LABEL])
    words |= {one.name: one.labels[LABEL] for one in volumes if LABEL in one.labels}
    return tuple(
        Labelled(host=engine.host, volume=one.name, words=said)
        for one in volumes
        if _is_named(one.name) and (said := _plain(words.get(one.name, ""))).lower() not in _OFF
    )


def _is_named(volume: str) -> bool:
    return VolumeName.shape.fullmatch(volume) is not None and _ANONYMOUS.fullmatch(volume) is None


def _plain(words: str) -> str:
    """As it can be kept, so that it is the same when it is looked at again."""
    return storable(" ".join(words.split())[:_LONGEST_WORDS])


def _name(wished: str, one: Labelled, taken: Collection[str]) -> str:
    if len(wished) <= _LONGEST_NAME and wished not in taken:
        return wished
    mark = hashlib.sha256(f"{one.host}/{one.volume}".encode()).hexdigest()[:6]
    return f"{wished[: _LONGEST_NAME - len(mark) - 1]}-{mark}"
