"""The comparison of walks and tar by itself: sums, hard links, reasons, and what is lost, without any engine."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.entry import Entry, Item
from bot.errors import EngineError
from bot.operations import completeness
from bot.operations.completeness import Again, Notes, Proof, TwiceProof
from bot.operations.losses import Losses
from bot.operations.tally import Tally, entry_line, item_line, new_digest, strict_line, whole_line
from bot.reasons import Reason
from bot.stores.archive import Problems
from tests.support.effort import examples

SECOND = 1_000_000_000


def item(path: str, **facts: object) -> Item:
    """A plain file as a walk finds it; its inode follows from its path."""
    plain = Item(
        path=path, kind="file", size=3, mode=0o644, uid=1, gid=2, mtime_ns=5 * SECOND + 7, ctime_ns=9,
        inode=hash(path) & 0xFFFFFFFF, links=1, used_bytes=4096,
    )  # fmt: skip
    return replace(plain, **facts)  # type: ignore[arg-type]


def entry(path: str, **facts: object) -> Entry:
    """The same file as the tar has it."""
    plain = Entry(path=path, kind="file", size=3, mode=0o644, uid=1, gid=2, mtime=5, sha256="0" * 64)
    return replace(plain, **facts)  # type: ignore[arg-type]


ROOT_ITEM = item(".", kind="directory", size=4096, links=3)
ROOT_ENTRY = entry(".", kind="directory", size=0, sha256=None)


def proven(
    first: Sequence[Item], tar: Sequence[Entry], second: Sequence[Item] | None = None
) -> dict[str, str]:
    """What a proof says of three lists: path -> reason."""
    kept: list[bytes] = []
    proof = Proof(kept.append)
    for one in first:
        proof.before(one)
    for held in tar:
        proof.entry(held)
    for one in first if second is None else second:
        proof.after(one)
    again = Again(items=lambda: first, entries=lambda: tar, notes=lambda: kept)
    return told(proof.problems(again, lambda: None))


def told(problems: Problems) -> dict[str, str]:
    assert problems.count == len(problems.listed)
    return {problem.path: str(problem.reason) for problem in problems.listed}


def test_the_order_of_the_lists_does_not_count() -> None:
    """A walk comes in the order of the disk, a tar in that of names."""
    items = [ROOT_ITEM, item("a"), item("b"), item("c/d")]
    entries = [entry("c/d"), entry("b"), ROOT_ENTRY, entry("a")]
    assert proven(items, entries, items[::-1]) == {}


@pytest.mark.parametrize(
    "changed",
    [{"ctime_ns": 10}, {"mtime_ns": 5 * SECOND + 8}, {"inode": 1}, {"size": 4}, {"mode": 0o600}, {"uid": 9},
     {"gid": 9}, {"links": 2}, {"kind": "fifo"}, {"kind": "symlink", "link": "x"}, {"device": (1, 2)}],
)  # fmt: skip
def test_every_property_of_a_file_betrays_a_change(changed: dict[str, object]) -> None:
    """Between two walks, whatever differs of a file is found."""
    assert proven([item("a")], [entry("a")], [item("a", **changed)]) == {"a": "changed"}


@pytest.mark.parametrize("changed", [{"mode": 0o700}, {"uid": 9}, {"gid": 9}, {"kind": "file"}])
def test_what_is_a_directorys_own_betrays_a_change(changed: dict[str, object]) -> None:
    """Kind, mode and owner count; times, size and links of a directory do not."""
    assert proven([ROOT_ITEM], [ROOT_ENTRY], [replace(ROOT_ITEM, **changed)]) == {".": "changed"}  # type: ignore[arg-type]
    moved = replace(ROOT_ITEM, mtime_ns=1, ctime_ns=2, size=8192, links=9, used_bytes=0, inode=4)
    assert proven([ROOT_ITEM], [ROOT_ENTRY], [moved]) == {}


@pytest.mark.parametrize(
    "changed",
    [{"size": 4}, {"mode": 0o600}, {"uid": 9}, {"gid": 9}, {"mtime": 6}, {"kind": "fifo", "size": 0},
     {"kind": "char", "device": (1, 2)}, {"kind": "symlink", "link": "x"}],
)  # fmt: skip
def test_every_property_that_a_tar_can_say_is_compared(changed: dict[str, object]) -> None:
    """A file that stayed as it was and is otherwise in the tar was not read as it was."""
    assert proven([item("a")], [entry("a", **changed)]) == {"a": "changed"}


@pytest.mark.parametrize(
    ("first", "tar", "second", "reason"),
    [
        (True, True, False, Reason.VANISHED),
        (True, False, False, Reason.VANISHED),
        (False, True, True, Reason.APPEARED),
        (False, False, True, Reason.APPEARED),
        (True, False, True, Reason.MISSING),
        (False, True, False, Reason.UNEXPECTED),
    ],
)
def test_each_reason(*, first: bool, tar: bool, second: bool, reason: Reason) -> None:
    """Where a path is and where it is not decides how it is called."""
    items, entries = [ROOT_ITEM], [ROOT_ENTRY]
    found = proven(items + [item("x")] * first, entries + [entry("x")] * tar, items + [item("x")] * second)
    assert found == {"x": str(reason)}


def test_sockets_are_never_a_problem() -> None:
    """No tar holds them, and they come and go."""
    socket = item("s", kind="socket")
    assert proven([ROOT_ITEM, socket], [ROOT_ENTRY], [ROOT_ITEM, item("t", kind="socket")]) == {}


def test_the_same_path_twice_is_found() -> None:
    """In a tar the second one would take the place of the first."""
    assert proven([item("a")], [entry("a"), entry("a", size=4)]) == {"a": "changed"}
    linked = [item("a", inode=7, links=2), item("b", inode=7, links=2)]
    tar = [entry("a"), link("b", "a"), link("b", "a")]
    assert proven(linked, tar) == {"b": "changed"}


def test_a_walks_seconds_are_rounded_down() -> None:
    """Also before 1970, as Docker does it."""
    assert proven([item("a", mtime_ns=-1)], [entry("a", mtime=-1)]) == {}
    assert proven([item("a", mtime_ns=-1)], [entry("a", mtime=0)]) == {"a": "changed"}
    assert proven([item("a", mtime_ns=SECOND)], [entry("a", mtime=1.75)]) == {}


def link(path: str, to: str) -> Entry:
    return Entry(path=path, kind="hardlink", size=0, mode=0o644, uid=1, gid=2, mtime=5, link=to)


def test_hard_links_are_compared_as_groups() -> None:
    """It does not matter which name comes first; it does matter who shares with whom."""
    items = [item(path, inode=7, links=3) for path in "abc"]
    assert proven(items, [entry("c"), link("a", "c"), link("b", "c")]) == {}
    assert proven(items, [entry("a"), link("b", "a"), entry("c")]) == {"c": "changed"}
    assert proven(items, [entry("a"), link("b", "a")]) == {"c": "missing"}
    assert set(proven(items, [link("a", "gone"), link("b", "gone"), entry("c")])) == {"a", "b", "c"}
    assert set(proven(items, [entry("a", size=4), link("b", "a"), link("c", "a")])) == {"a", "b", "c"}


def test_a_file_whose_other_names_are_elsewhere_is_a_plain_one() -> None:
    """Only a part of a group may lie below the path that is backed up."""
    assert proven([item("a", links=5)], [entry("a")]) == {}


def test_two_file_systems_may_use_the_same_number() -> None:
    """Below a path there may be several file systems: what differs does not share an inode."""
    items = [item("a", inode=7, links=2), item("m/b", inode=7, links=2, ctime_ns=1, size=9)]
    assert proven(items, [entry("a"), entry("m/b", size=9)]) == {}
    assert proven(items, [entry("a"), link("m/b", "a")]) == {"m/b": "changed"}


def test_hard_links_of_symbolic_links_and_devices() -> None:
    """Anything but a directory may have further names."""
    shared = {"inode": 7, "links": 2, "kind": "symlink", "link": "to"}
    items = [item("a", **shared), item("b", **shared)]
    assert proven(items, [entry("a", kind="symlink", link="to", size=0), link("b", "a")]) == {}


def test_a_file_that_gets_another_name_meanwhile() -> None:
    """The tar may hold the new name as a link of one that had none before."""
    first = [item("a")]
    second = [item("a", links=2, ctime_ns=10), item("b", inode=first[0].inode, links=2, ctime_ns=10)]
    assert proven(first, [entry("a"), link("b", "a")], second) == {"a": "changed", "b": "appeared"}


def test_all_problems_are_counted_and_a_thousand_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when they are found in several parts because they would not fit."""
    monkeypatch.setattr(completeness, "HELD", 100)
    items = [item(f"{number:04}") for number in range(2_500)]
    entries = [entry(one.path, size=9 if int(one.path) % 2 else 3) for one in items]
    kept: list[bytes] = []
    proof = Proof(kept.append)
    for one in items:
        proof.before(one)
        proof.after(one)
    for held in entries:
        proof.entry(held)
    ticks: list[None] = []
    again = Again(items=lambda: items, entries=lambda: entries, notes=lambda: kept)
    problems = proof.problems(again, lambda: ticks.append(None))
    assert (problems.count, len(problems.listed)) == (1_250, 1_000)
    assert all(int(problem.path) % 2 for problem in problems.listed)
    assert len(ticks) > 10 * len(items)


def test_a_difference_that_is_not_found_again_is_no_proof() -> None:
    """Lists that changed since they were added up prove nothing."""
    kept: list[bytes] = []
    proof = Proof(kept.append)
    proof.before(item("a"))
    proof.entry(entry("a", size=4))
    proof.after(item("a"))
    again = Again(items=lambda: [item("a")], entries=lambda: [entry("a")], notes=lambda: kept)
    with pytest.raises(EngineError, match="could not be found out") as raised:
        proof.problems(again, lambda: None)
    assert raised.value.reason is Reason.DIFFERS


def test_two_readings_are_compared_with_all_they_say() -> None:
    """Content, links and owners; of directories not their times."""
    first = [ROOT_ENTRY, entry("a"), entry("b"), entry("gone"), link("l", "a")]
    second = [
        replace(ROOT_ENTRY, mtime=99), entry("a", sha256="1" * 64), entry("b"), entry("new"), link("l", "b"),
    ]  # fmt: skip
    kept: list[bytes] = []
    proof = TwiceProof(kept.append)
    for one in first:
        proof.before(one)
    for one in second:
        proof.entry(one)
    again = Again(items=list, entries=lambda: second, notes=lambda: kept)
    assert told(proof.problems(again, lambda: None)) == {
        "a": "changed", "gone": "vanished", "l": "changed", "new": "appeared",
    }  # fmt: skip


def test_notes_survive_any_cutting() -> None:
    """Names of any bytes come back, in whatever pieces the disk gives them."""
    wanted = [("a\udcff\nb", 0), ("x" * 5_000, (1 << 128) - 1), ("\u00e9", 256)]
    kept: list[bytes] = []
    notes = Notes(kept.append)
    for path, digest in wanted:
        notes.add(path, digest)
    notes.flush()
    data = b"".join(kept)
    for size in (1, 7, 4096, len(data)):
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        assert list(Notes.read(pieces)) == wanted


def test_digests_differ_from_run_to_run() -> None:
    """Nobody can prepare two lists that add up to the same."""
    assert new_digest()(b"x") != new_digest()(b"x")


def test_a_line_says_one_thing_only() -> None:
    """Fields cannot run into each other, and a name that looks like one is still a name."""
    lines = {
        item_line(item("a", uid=11, gid=2)),
        item_line(item("a", uid=1, gid=12)),
        item_line(item("a")),
        strict_line(item("a")),
        entry_line(entry("a", kind="symlink", link="b")),
        entry_line(entry("a", kind="symlink", link="c")),
        whole_line(entry("a")),
        whole_line(entry("a", sha256=None)),
    }
    assert len(lines) == 8


def test_equal_tallies_have_the_same_counts() -> None:
    """Two things whose digests add up to nothing are still two things."""
    one, other = Tally(), Tally()
    one.add("a", 0)
    assert one.differing(other)
    other.add("a", 0)
    assert not one.differing(other)


def test_losses_are_named_and_do_not_grow_without_end() -> None:
    """Twenty sockets by name, the others by number; small gaps between size and use are no holes."""
    losses = Losses()
    for number in range(25):
        losses.add(item(f"s{number:02}", kind="socket"))
    losses.add(item("packed", size=4096, used_bytes=0))
    assert losses.texts[0] == "socket s00"
    assert losses.texts[-1] == "5 more sockets"
    assert len(losses.texts) == 21
    sparse = Losses()
    for number in range(2):
        sparse.add(item(f"disk{number}", size=5_000_000_000, used_bytes=0))
    assert sparse.texts == ("sparseness: 2 sparse files are stored full, 10.0 GB more when restored",)


@settings(max_examples=examples(80, 200), deadline=None)
@given(st.integers(0, 2**32))
def test_random_lists_are_equal_or_every_difference_is_named(seed: int) -> None:
    """Whatever is taken out, added or altered in any of the three lists is named, and nothing else is."""
    chance = random.Random(seed)
    names = [f"{chance.randrange(50)}/{number}" for number in range(chance.randrange(1, 30))]
    first = [item(name) for name in names]
    tar, second, wanted = [], [], set()
    for name in names:
        fate = chance.choice(("kept", "kept", "gone", "altered", "missing", "torn"))
        if fate != "kept":
            wanted.add(name)
        if fate != "missing":
            tar.append(entry(name, size=4 if fate == "torn" else 3))
        if fate != "gone":
            second.append(item(name, ctime_ns=10 if fate == "altered" else 9))
    chance.shuffle(tar)
    chance.shuffle(second)
    assert set(proven(first, tar, second)) == wanted
