"""What the tar loses is given back by records; a walk afterwards tells what is wrong from what cannot be had."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.entry import Entry, Item
from bot.errors import EngineError, StoreError
from bot.operations.extras import ACCESS_ACL, DEFAULT_ACL, NO_ACL, Extras, decimal
from bot.operations.walkdiff import LISTED, Compared, carried
from bot.reasons import Reason

BILLION = 1_000_000_000
BASE = Item(
    path="a", kind="file", size=5, mode=0o644, uid=1, gid=2, mtime_ns=10 * BILLION + 5, ctime_ns=0, inode=1, links=1,
    used_bytes=4096,
)  # fmt: skip
ROOT = replace(BASE, path=".", kind="directory", mode=0o755, links=2)


def held_in(directory: Path) -> list[str]:
    """The files in it that this process has open, nameless ones too."""
    links = (os.readlink(entry.path) for entry in os.scandir("/proc/self/fd") if os.path.islink(entry.path))
    return [link for link in links if link.startswith(f"{directory}/")]


def item(path: str, **changes: object) -> Item:
    return replace(BASE, **{"path": path, "inode": hash(path), **changes})  # type: ignore[arg-type]


def entry(path: str, **changes: object) -> Entry:
    base = Entry(path=path, kind="file", size=5, mode=0o644, uid=1, gid=2, mtime=10)
    return replace(base, **changes)  # type: ignore[arg-type]


def compared(wanted: list[Item], found: list[Item], below: str = "") -> Compared:
    with Extras(wanted) as extras:
        return extras.compare(found, below)


def wrongs(wanted: list[Item], found: list[Item]) -> list[str]:
    return [f"{one.path} {one.what}" for one in compared(wanted, found).differences]


def losses(wanted: list[Item], found: list[Item]) -> list[tuple[str, int]]:
    result = compared(wanted, found)
    assert result.count == 0
    return [(loss.text.partition(":")[0], loss.count) for loss in result.losses]


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(0, "0"), (1, "0.000000001"), (1_500_000_000, "1.5"), (10 * BILLION, "10"), (-1, "-0.000000001"),
     (-BILLION, "-1"), (-1_250_000_000, "-1.25"), (1_600_000_000_123_456_789, "1600000000.123456789")],
)  # fmt: skip
def test_times_are_written_to_the_nanosecond(nanoseconds: int, text: str) -> None:
    """As many digits as are needed, and times before 1970 have their sign."""
    assert decimal(*divmod(nanoseconds, BILLION)) == text.encode()


@given(st.integers(-(1 << 70), 1 << 70))
def test_any_time_comes_back_from_its_text(nanoseconds: int) -> None:
    """The text names just this nanosecond, whatever the century."""
    whole, _, fraction = decimal(*divmod(nanoseconds, BILLION)).decode().partition(".")
    read = abs(int(whole)) * BILLION + int(fraction.ljust(9, "0") or "0")
    assert (-read if whole.startswith("-") else read) == nanoseconds


def test_records_give_back_time_and_attributes() -> None:
    """Attributes come as they were, byte by byte; what needs nothing and what is unknown get nothing."""
    attributes = {"user.a": "00ff3d0a", ACCESS_ACL: "0200", "security.selinux": "00", "user.b=c": "01"}
    with Extras([ROOT, item("f", attributes=attributes), item("plain", mtime_ns=3 * BILLION)]) as extras:
        assert extras.count == 3
        assert extras.records("f") == {
            "mtime": b"10.000000005",
            "SCHILY.xattr.user.a": b"\0\xff=\n",
            f"SCHILY.xattr.{ACCESS_ACL}": b"\2\0",
        }
        assert extras.records("plain") == extras.records("unknown") == {}


def test_what_a_default_acl_hands_down_is_taken_away() -> None:
    """Things in a directory with a default ACL that had none themselves, and the root, are given an empty one."""
    acl = {DEFAULT_ACL: "0200"}
    items = [
        ROOT, item("d", kind="directory", attributes=acl), item("d/f"), item("d/s", kind="symlink", link="f"),
        item("d/e", kind="directory"), item("d/e/f"),
        item("d/i", kind="directory", attributes={**acl, ACCESS_ACL: "02"}),
    ]  # fmt: skip
    access, default = f"SCHILY.xattr.{ACCESS_ACL}", f"SCHILY.xattr.{DEFAULT_ACL}"
    with Extras(items) as extras:
        cleared = {
            one.path: sorted(name for name, value in extras.records(one.path).items() if value == NO_ACL)
            for one in items
        }
    assert cleared == {
        ".": [access, default], "d": [], "d/f": [access], "d/s": [], "d/e": [access, default], "d/e/f": [], "d/i": []
    }  # fmt: skip


def test_a_file_of_another_second_keeps_the_time_of_the_tar() -> None:
    """Nanoseconds of one moment are never put on content of another; attributes are."""
    with Extras([item("f", attributes={"user.a": "01"})]) as extras:
        assert set(extras.decide(entry("f")).records) == {"mtime", "SCHILY.xattr.user.a"}
        assert set(extras.decide(entry("f", mtime=11)).records) == {"SCHILY.xattr.user.a"}
        assert not extras.decide(entry("other")).records


def test_attributes_too_long_for_a_header_are_left_out() -> None:
    """The records of one entry stay below what Docker accepts."""
    many = {f"user.{number}": "00" * 60_000 for number in range(30)}
    taken = carried(many)
    assert 10 < len(taken) < 18
    assert losses(
        [item("f", attributes=many)], [item("f", attributes={name: "00" * 60_000 for name in taken})]
    ) == [("extended attributes that Docker cannot set", 1)]


def test_a_walk_that_finds_the_same_finds_nothing() -> None:
    """Order, inodes, change times, and a directory's own size do not count, nor names that are not text."""
    items = [ROOT, item("b\udcff"), item("h1", inode=9, links=2), item("h2", inode=9, links=2)]
    found = [replace(one, inode=one.inode + 1000 + (1 << 70), ctime_ns=99) for one in reversed(items)]
    found[-1] = replace(found[-1], size=99, used_bytes=1 << 30, links=7)
    result = compared(items, found)
    assert (result.differences, result.count, result.losses) == ((), 0, ())
    result.refuse("volume v")


@pytest.mark.parametrize(
    "change",
    [{"kind": "fifo"}, {"size": 6}, {"mode": 0o4644}, {"uid": 9}, {"gid": 9}, {"mtime_ns": 11 * BILLION + 5},
     {"mtime_ns": 10 * BILLION + 6}, {"mtime_ns": 0}, {"kind": "symlink", "link": "x"}, {"device": (1, 3)},
     {"attributes": {"user.x": "00"}}, {"attributes": {ACCESS_ACL: "00"}}],
)  # fmt: skip
def test_every_property_of_an_item_counts(change: dict[str, object]) -> None:
    """Nothing that a restore must give back can differ unseen."""
    (what,) = wrongs([ROOT, item("a")], [ROOT, item("a", **change)])
    assert what.startswith("a has ")


def test_missing_and_additional_paths_are_differences() -> None:
    """What is gone and what nobody stored are named."""
    assert wrongs([ROOT, item("gone")], [ROOT, item("new")]) == [
        "gone is missing",
        "new is there and should not be",
    ]


def test_hard_links_count_as_groups() -> None:
    """The same paths must share one file, under whatever inode; a group that fell apart or grew is named."""

    def shared(*groups: str) -> list[Item]:
        return [ROOT] + [
            item(path, inode=50 + n, links=len(group)) for n, group in enumerate(groups) for path in group
        ]

    assert wrongs(shared("abc", "d"), shared("d", "cab")) == []
    assert wrongs(shared("abc"), shared("ab", "c")) == ["c shares its content with other files than before"]
    assert wrongs(shared("ab", "cd"), shared("ac", "bd")) == [
        "b shares its content with other files than before",
        "c shares its content with other files than before",
        "d shares its content with other files than before",
    ]


def test_what_no_restore_can_keep_is_a_loss() -> None:
    """Sockets, times that Docker cannot set, holes, the host's labels and some attributes are named and no failure."""
    wanted = [
        ROOT, item("sock", kind="socket"), item("old", mtime_ns=-5), item("far", mtime_ns=1 << 64),
        item("holes", size=1 << 20, used_bytes=4096), item("label", attributes={"security.selinux": "01"}),
        item("odd", attributes={"user.empty": "", "user.a=b": "01"}),
    ]  # fmt: skip
    found = [
        ROOT, item("old", mtime_ns=0), item("far", mtime_ns=0), item("holes", size=1 << 20, used_bytes=1 << 20),
        item("label", attributes={"security.selinux": "02"}), item("odd"),
    ]  # fmt: skip
    assert losses(wanted, found) == [
        ("sockets", 1),
        ("modification times before 1970 or after 2262", 2),
        ("sparseness", 1),
        ("security labels", 1),
        ("extended attributes that Docker cannot set", 1),
    ]


def test_what_a_place_keeps_of_nothing_is_a_loss_and_of_some_a_fault() -> None:
    """A file system without ACLs or fractions is told; one that kept some of them and not others is wrong."""
    acl = {ACCESS_ACL: "0200"}
    wanted = [ROOT, item("a", attributes=acl), item("b", attributes=acl)]
    bare = [replace(one, attributes={}, mtime_ns=10 * BILLION) for one in wanted]
    assert losses(wanted, bare) == [("fractions of a second in modification times", 3), ("POSIX ACLs", 2)]
    assert wrongs(wanted, [ROOT, wanted[1], item("b")]) == ["b has lost its POSIX ACLs"]
    assert wrongs(wanted, [ROOT, wanted[1], replace(wanted[2], mtime_ns=10 * BILLION)]) == [
        "b has lost its fractions of a second in modification times"
    ]


def test_a_walk_below_a_path_is_compared_with_what_is_there() -> None:
    """Only the path and what is below it count, and a group is what of it lies there."""
    wanted = [
        ROOT, item("d", kind="directory"), item("d/e", kind="directory"), item("d/e/f", inode=7, links=3),
        item("d/e/g", inode=7, links=3), item("a", inode=7, links=3), item("d/e0"),
    ]  # fmt: skip
    walk = [replace(ROOT, path="."), item("f", inode=1, links=2), item("g", inode=1, links=2)]
    walk[0] = replace(wanted[2], path=".")
    assert compared(wanted, walk, "d/e").count == 0
    assert [one.path for one in compared(wanted, [walk[0], item("f")], "d/e").differences] == ["d/e/g"]


def test_differences_are_counted_and_a_thousand_named() -> None:
    """A wholly different volume takes no memory, and the error names five."""
    result = compared([ROOT], [ROOT, *(item(f"n{number:05}") for number in range(3000))])
    assert (result.count, len(result.differences)) == (3000, LISTED)
    with pytest.raises(EngineError, match="volume v differs from the backup in 3000 places") as raised:
        result.refuse("volume v")
    assert raised.value.reason is Reason.DIFFERS
    assert "“n00004”" in str(raised.value)
    assert "“n00005”" not in str(raised.value)


def test_problems_of_a_partial_backup_are_excused() -> None:
    """What vanished, appeared, changed or was linked anew while it was copied is left to the entries' comparison."""
    wanted = [
        ROOT, item("same"), item("vanished"), item("changed"), item("sock", kind="socket"),
        item("l1", inode=3, links=2), item("l2", inode=3, links=2), item("one"), item("z", inode=4, links=2),
        item("y", inode=4, links=2),
    ]  # fmt: skip
    told = [
        entry(".", kind="directory", mode=0o755, size=0), entry("same"), entry("changed", size=9),
        entry("appeared"), entry("l1"), entry("l2"), entry("one"), entry("a-link", kind="hardlink", link="one"),
        entry("y"), entry("z", kind="hardlink", link="y"),
    ]  # fmt: skip
    found = [
        ROOT, item("same"), item("changed", size=9), item("appeared"), item("l1"), item("l2"),
        item("one", inode=8, links=2), item("a-link", inode=8, links=2), item("z", inode=6, links=2),
        item("y", inode=6, links=2),
    ]  # fmt: skip
    with Extras(wanted) as extras:
        extras.excuse(told)
        assert extras.compare(found).count == 0
        spoilt = [replace(one, mode=0o600) if one.path in ("same", "y") else one for one in found]
        assert [one.path for one in extras.compare(spoilt).differences] == ["same", "y"]


def test_without_items_nothing_is_compared() -> None:
    """Backups that have no inventory are restored as before."""
    assert compared([], [ROOT, item("a")]).count == 0


def test_a_comparison_that_was_interrupted_can_be_made_again() -> None:
    """What the walk raises arrives as it is, and a second walk starts afresh."""

    def broken() -> Iterator[Item]:
        yield item("x")
        raise OSError("gone")

    with Extras([ROOT]) as extras:
        with pytest.raises(OSError, match="gone"):
            extras.compare(broken())
        assert extras.compare([ROOT]).count == 0


def test_the_temporary_file_lies_where_it_should_and_goes(tmp_path: Path) -> None:
    """It is in the directory that was named, has no name there, and a missing directory is told."""
    with Extras([ROOT], tmp_path) as extras:
        assert [link.endswith("(deleted)") for link in held_in(tmp_path)] == [True]
        assert not list(tmp_path.iterdir())
        assert extras.count == 1
    with pytest.raises(StoreError, match="could not be kept"), Extras([ROOT], tmp_path / "none"):
        pass


def test_what_the_items_raise_arrives_as_it_is(tmp_path: Path) -> None:
    """A damaged inventory ends the loading, and the file is given back."""

    def broken() -> Iterator[Item]:
        yield ROOT
        raise InterruptedError

    with pytest.raises(InterruptedError), Extras(broken(), tmp_path):
        pass
    assert not held_in(tmp_path)


def test_whoever_compares_may_be_told_to_end() -> None:
    """While the walk comes in, and while what it found is compared."""
    asked: list[int] = []
    many = [ROOT, *(item(f"f{number:04}") for number in range(1000))]

    def check() -> None:
        asked.append(1)
        if len(asked) > 5:
            raise InterruptedError

    with Extras(many) as extras, pytest.raises(InterruptedError):
        extras.compare(many, check=check)
    assert len(asked) == 6
