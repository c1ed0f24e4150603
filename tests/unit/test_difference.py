"""What changed: two lists of things, compared path by path in a database that is thrown away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.entry import Entry, Item
from bot.errors import Cancelled, StoreError
from bot.operations.backup import back_up
from bot.operations.backupplan import Wish, plan
from bot.operations.changes import Change, Difference, Thing, of_entry, of_item, sides
from bot.operations.difference import BY_HELD, until_now
from bot.operations.quiesce import QuiescePolicy
from bot.reasons import Reason
from bot.stores.archive import Archive
from tests.support.disks import small_disk
from tests.support.fake_run import FakeRun, Recorder

ENTRY = Entry(path="a", kind="file", size=3, mode=0o644, uid=1, gid=2, mtime=10, sha256="aa")
ITEM = Item(
    path="a",
    kind="file",
    size=3,
    mode=0o644,
    uid=1,
    gid=2,
    mtime_ns=10_000_000_500,
    ctime_ns=1,
    inode=7,
    links=1,
    used_bytes=4096,
)


def _between(old: Iterable[Thing], new: Iterable[Thing], limit: int = 50) -> Difference:
    with sides() as both:
        for thing in old:
            both.add_old(thing)
        for thing in new:
            both.add_new(thing)
        return both.difference(limit)


def _tar(entries: Iterable[Entry], *, hashed: bool = True) -> Iterator[Thing]:
    return (of_entry(entry, hashed=hashed) for entry in entries)


def _walk(items: Iterable[Item], *, like_tar: bool = False) -> Iterator[Thing]:
    return (of_item(item, like_tar=like_tar) for item in items)


def _entries(old: list[Entry], new: list[Entry], limit: int = 50) -> Difference:
    return _between(_tar(old), _tar(new), limit)


def _items(old: list[Item], new: list[Item]) -> Difference:
    return _between(_walk(old), _walk(new))


def test_the_same_lists_have_no_difference() -> None:
    """Whatever the order, what is on both sides alike is not counted."""
    other = replace(ENTRY, path="b")
    assert _entries([ENTRY, other], [other, ENTRY]) == Difference(added=0, removed=0, changed=0, first=())


def test_each_difference_is_counted_and_named() -> None:
    """What came, what went and what is different are counted apart and listed by name."""
    changed = replace(ENTRY, path="m", size=4, sha256="bb", mtime=11)
    found = _entries([ENTRY, replace(ENTRY, path="m")], [changed, replace(ENTRY, path="z")])
    assert (found.added, found.removed, found.changed, found.total) == (1, 1, 1, 3)
    assert found.first == (
        Change(path="a", what="removed", old_bytes=3),
        Change(path="m", what="changed", aspects=("size", "content", "time"), old_bytes=3, new_bytes=4),
        Change(path="z", what="added", new_bytes=3),
    )


@pytest.mark.parametrize(
    ("change", "aspects"),
    [
        ({"sha256": "bb"}, ("content",)),
        ({"mode": 0o600}, ("mode",)),
        ({"gid": 3}, ("owner",)),
        ({"mtime": 11}, ("time",)),
        ({"mtime": 10.75}, ()),
        ({"kind": "symlink", "link": "x", "size": 0, "sha256": None}, ("kind", "size", "content", "mode")),
    ],
)
def test_two_backups_are_compared_by_content(change: dict[str, object], aspects: tuple[str, ...]) -> None:
    """Between two backups the SHA-256 counts, and times in whole seconds."""
    found = _entries([ENTRY], [replace(ENTRY, **change)])  # type: ignore[arg-type]
    assert [one.aspects for one in found.first] == ([aspects] if aspects else [])


@pytest.mark.parametrize(
    ("change", "aspects"),
    [
        ({"mtime_ns": 10_000_000_501}, ("time",)),
        ({"attributes": {"user.x": "00"}}, ("attributes",)),
        ({"inode": 8, "ctime_ns": 9, "used_bytes": 0}, ()),
        ({"kind": "block", "device": (1, 2), "size": 0}, ("kind", "size", "content")),
    ],
)
def test_two_walks_are_compared_to_the_nanosecond(
    change: dict[str, object], aspects: tuple[str, ...]
) -> None:
    """Between an inventory and a walk nanoseconds and attributes count, and where a file lies does not."""
    found = _items([ITEM], [replace(ITEM, **change)])  # type: ignore[arg-type]
    assert [one.aspects for one in found.first] == ([aspects] if aspects else [])


def test_a_directory_has_no_time() -> None:
    """That something came into a directory is told by what came, not by the directory's time or size."""
    old = replace(ITEM, kind="directory", size=4096)
    assert _items([old], [replace(old, mtime_ns=1, size=8192)]).total == 0
    assert _items([old], [replace(old, mode=0o700)]).first[0].aspects == ("mode",)


def test_a_walk_is_compared_with_a_tar_as_far_as_the_tar_goes() -> None:
    """Against a backup that has no inventory, attributes and parts of a second do not count."""
    walk = _walk([replace(ITEM, attributes={"user.x": "00"})], like_tar=True)
    assert _between(_tar([ENTRY], hashed=False), walk).total == 0


def test_a_hard_link_is_what_it_is_linked_to() -> None:
    """Whichever of two linked names comes first in a tar, both are the same file; a changed one changes both."""
    first, second = replace(ENTRY, path="x"), replace(ENTRY, path="y")
    linked = replace(ENTRY, kind="hardlink", size=0, sha256=None)
    one = [first, replace(linked, path="y", link="x")]
    other = [second, replace(linked, path="x", link="y")]
    assert _entries(one, other).total == 0
    walk = _walk([replace(ITEM, path="x", links=2), replace(ITEM, path="y", links=2)], like_tar=True)
    assert _between(_tar(one, hashed=False), walk).total == 0
    changed = [replace(first, sha256="bb"), one[1]]
    assert [change.path for change in _entries(one, changed).first] == ["x", "y"]
    dangling = [replace(linked, path="y", link="x")]
    assert _entries(dangling, dangling).total == 0


def test_names_of_any_bytes() -> None:
    """A name or link that is not UTF-8 is compared by its bytes and shown with question marks."""
    odd = replace(ENTRY, path="n\udcff", kind="symlink", link="\udcfe")
    assert _entries([odd], [odd]).total == 0
    assert _entries([odd], [replace(odd, link="\udcfd")]).first[0].path == "n?"


def test_only_the_first_are_listed() -> None:
    """All are counted, and those listed are the first by name, of whichever kind of change."""
    names = [f"{n:03}" for n in range(100)]
    old = [replace(ENTRY, path=name) for name in names[::2]]
    new = [replace(ENTRY, path=name) for name in names[1::2]]
    found = _entries(old, new, limit=5)
    assert (found.added, found.removed) == (50, 50)
    assert [change.path for change in found.first] == names[:5]


def test_it_ends_when_it_is_told_to() -> None:
    """A cancelled run does not compare to the end."""
    left = 2

    def check() -> None:
        nonlocal left
        left -= 1
        if not left:
            raise Cancelled("over")

    with sides() as both:
        for thing in _tar(replace(ENTRY, path=str(n)) for n in range(3000)):
            both.add_old(thing)
        with pytest.raises(Cancelled):
            both.difference(5, check)
        assert both.difference(5).removed == 3000


def test_what_comes_twice_is_no_match_for_what_comes_once() -> None:
    """A path that one list names twice is a difference, though both say the same of it."""
    assert _entries([ENTRY, ENTRY], [ENTRY]).removed == 1


def test_a_directory_that_takes_no_file_is_told(tmp_path: Path) -> None:
    """Where the lists cannot be kept, a sentence names the place, and nothing counts as compared."""
    gone = tmp_path / "gone"
    with pytest.raises(StoreError, match=f"could not be kept in {gone}.*Nothing counts"), sides(gone):
        pytest.fail("there is no such directory")


def _add_to(disk: Path, things: Iterable[Thing]) -> None:
    with sides(disk) as both:
        for thing in things:
            both.add_old(thing)


def test_a_disk_that_fills_up_meanwhile_is_told(tmp_path: Path) -> None:
    """More than the disk takes ends the comparison with the reason, on a real small disk."""
    things = (of_entry(replace(ENTRY, path=f"{number:0200d}"), hashed=False) for number in range(200_000))
    with small_disk(tmp_path / "disk", 8) as disk, pytest.raises(StoreError) as raised:
        _add_to(disk, things)
    assert raised.value.reason is Reason.DISK_FULL


def test_of_a_partial_backup_only_what_it_holds_is_compared(tmp_path: Path) -> None:
    """A file that vanished while it was copied is not in the backup, so it was not removed since."""
    engine = Recorder()
    engine.add_volume("pgdata", {"a": b"one", "b": b"two"})
    archive = Archive(tmp_path, lambda: datetime(2026, 11, 3, tzinfo=UTC))
    run = FakeRun(engine, archive)
    engine.faults.during.append((0, lambda _: engine.tree("pgdata").remove("b")))
    backup = back_up(engine, archive, run, plan(engine, Wish(source="pgdata"), QuiescePolicy())).backup
    assert not backup.is_ok
    found, judged = until_now(engine, archive, run, backup, 10)
    assert (found.total, judged) == (0, BY_HELD)
