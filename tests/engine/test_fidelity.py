"""What a volume may hold comes back as it was, or the result names what did not: seen by a walker of the tests' own."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from bot.model import Outcome
from tests.support.corpus import Seen, build, differences, is_sparse, walk
from tests.support.house import House
from tests.support.yard import Yard

pytestmark = pytest.mark.engine

KINDS_AT_LEAST = 40
NAMED = {
    b"specials/socket": "specials/socket",
    b"at/old": "at/old",
    b"attributes/empty-value": "attributes/empty-value",
    b"attributes/odd=name": "attributes/odd=name",
}
"""What cannot come back, and by what word the results must name it."""


def told(*outcomes: Outcome) -> str:
    """Everything the results say."""
    return json.dumps([[one.reply.text, dict(one.reply.facts)] for one in outcomes], ensure_ascii=False)


def refuse_unnamed(before: dict[bytes, Seen], after: dict[bytes, Seen], said: str) -> None:
    """Fail unless everything is as it was, but for what was named."""
    wrong = differences(before, after)
    unnamed = {name: what for name, what in wrong.items() if name not in NAMED or NAMED[name] not in said}
    assert not unnamed, f"{unnamed}\nsaid: {said}"


def test_everything_comes_back_into_a_new_volume_or_is_named(house: House, yard: Yard) -> None:
    """Every kind of thing, the volume's own directory included, is the same in the copy."""
    volume = yard.volume("corpus")
    place = yard.mountpoint(volume)
    assert build(place) >= KINDS_AT_LEAST
    before = walk(place)
    saved = house.say(f"backup {volume}")
    assert saved.status.value == "succeeded", saved
    assert not differences(before, walk(place)), "the backup changed the volume"
    restored = house.say(f"restore {saved.run_id}")
    assert restored.status.value == "succeeded", restored
    copy = str(restored.reply.facts["volume"])
    yard.volumes.append(copy)
    said = told(saved, restored)
    refuse_unnamed(before, walk(yard.mountpoint(copy)), said)
    assert is_sparse(place / "holes-inside")
    assert is_sparse(yard.mountpoint(copy) / "holes-inside") or "sparse" in said


def test_everything_comes_back_over_the_volume_and_nothing_of_it_stays(house: House, yard: Yard) -> None:
    """After a restore over it the volume is exactly what it was, whatever had happened to it."""
    volume = yard.volume("corpus")
    place = yard.mountpoint(volume)
    build(place)
    before = walk(place)
    saved = house.say(f"backup {volume}")
    shutil.rmtree(place / "names")
    shutil.rmtree(place / "sizes")
    (place / "sizes").write_text("a file where a directory was")
    (place / "attributes/text").write_text("changed")
    (place / "added").mkdir(mode=0o700)
    os.removexattr(place, "user.root")
    os.chown(place, 0, 0)
    restored = house.say(f"restore {saved.run_id} --replace")
    assert restored.status.value == "succeeded", restored
    refuse_unnamed(before, walk(place), told(saved, restored))


def test_a_second_backup_of_the_copy_lists_the_same(house: House, yard: Yard) -> None:
    """What was restored backs up as the same entries: nothing is lost step by step."""
    volume = yard.volume("corpus")
    build(yard.mountpoint(volume))
    first = house.say(f"backup {volume}")
    restored = house.say(f"restore {first.run_id}")
    copy = str(restored.reply.facts["volume"])
    yard.volumes.append(copy)
    second = house.say(f"backup {copy}")
    archive = house.app.services.archive
    lists = [
        sorted(
            (
                item.path,
                item.kind,
                item.mode,
                item.uid,
                item.size if item.kind != "directory" else 0,  # some file systems count what is in it
                max(item.mtime_ns, 0),
                dict(item.attributes),
            )
            for item in archive.items(archive.find(one.run_id))
            if item.kind != "socket"
        )
        for one in (first, second)
    ]
    assert [one[0] for one in lists[0]] == [one[0] for one in lists[1]]
    different = [
        (old, new) for old, new in zip(*lists, strict=True) if old != new and old[0].encode() not in NAMED
    ]
    assert not different
