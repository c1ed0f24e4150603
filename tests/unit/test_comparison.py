"""The comparison of a backup's list with what reads back, whatever the order and the length of either."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.entry import Entry
from bot.errors import EngineError
from bot.operations.comparison import refuse_differences
from bot.reasons import Reason

BASE = Entry(path=".", kind="directory", size=0, mode=0o755, uid=0, gid=0, mtime=1)


def file(path: str, **changes: object) -> Entry:
    return replace(BASE, **{"path": path, "kind": "file", "sha256": "0" * 64, **changes})  # type: ignore[arg-type]


def link(path: str, to: str) -> Entry:
    return replace(BASE, path=path, kind="hardlink", link=to)


def held_in(directory: Path) -> list[str]:
    """The files in it that this process has open, nameless ones too."""
    links = (os.readlink(entry.path) for entry in os.scandir("/proc/self/fd") if os.path.islink(entry.path))
    return [link for link in links if link.startswith(f"{directory}/")]


def test_order_and_the_first_name_of_a_group_do_not_count() -> None:
    """The same paths with the same content are the same, and names need not be text."""
    wanted = [BASE, file("b\udcff", size=3), link("a", "b\udcff"), link("c", "b\udcff"), file("d")]
    refuse_differences(
        lambda: wanted, [file("d"), link("b\udcff", "a"), file("a", size=3), link("c", "a"), BASE], "v"
    )


def test_a_group_that_grew_or_fell_apart_is_named() -> None:
    """Who belongs to a group matters, and is said as such."""
    wanted = [file("a"), link("b", "a"), file("c")]
    for found in ([file("a"), file("b"), file("c")], [file("a"), link("b", "a"), link("c", "a")]):
        with pytest.raises(EngineError, match=r"in 1 place: “[bc]” shares") as raised:
            refuse_differences(lambda: wanted, found, "v")
        assert raised.value.reason is Reason.DIFFERS


def test_a_link_to_nothing_is_refused() -> None:
    """A list in which a hard link's first name is missing, or is a link itself, says nothing."""
    for firsts in ([], [link("gone", "a")], [file("x"), link("gone", "x")]):
        with pytest.raises(
            EngineError, match=r"“[al]” is a hard link to “gone”|“gone” is a hard link to “a”"
        ):
            refuse_differences([*firsts, link("a", "gone"), link("l", "gone")].copy, [], "v")


def test_times_that_docker_cannot_set_are_as_docker_leaves_them() -> None:
    """Before 1970 and after 2262 they become 0; fractions are cut."""
    refuse_differences(lambda: [file("a", mtime=-1), file("b", mtime=1 << 34), file("c", mtime=2.9)],
                       [file("a", mtime=0), file("b", mtime=0), file("c", mtime=2)], "v")  # fmt: skip


def test_lists_that_are_the_same_line_by_line_are_not_kept(tmp_path: Path) -> None:
    """And what differs behind a long beginning that is the same is found, whatever it is."""
    same = [BASE, *(file(f"n{number:05}", size=number) for number in range(5_000)), link("z", "n00007")]
    refuse_differences(lambda: same, iter(same), "v", tmp_path / "nowhere")
    for found, told in (
        (same[:-1], "“z” is missing"),
        ([*same, file("zz")], "“zz” is there"),
        ([*same[:9], file("n00008", size=1), *same[10:]], "“n00008” has another size"),
        ([*same[:9], *same[10:]], "“n00008” is missing"),
        ([*same[:-1], link("z", "n00008")], "“z” shares|“n0000[78]” shares"),
    ):
        with pytest.raises(EngineError, match=f"in 1 place: {told}"):
            refuse_differences(lambda: same, iter(found), "v", tmp_path)


def test_long_lists_are_kept_on_disk_and_removed(tmp_path: Path) -> None:
    """It compares in a file in the directory that was named, which nobody sees and no crash leaves behind."""
    held: list[str] = []

    def found() -> Iterator[Entry]:
        for number in range(20_000):
            yield file(f"n{number}", size=number)
        held.extend(held_in(tmp_path))
        assert not list(tmp_path.iterdir())

    refuse_differences(
        lambda: (file(f"n{number}", size=number) for number in range(19_999, -1, -1)), found(), "v", tmp_path
    )
    assert [link.endswith("(deleted)") for link in held] == [True]
    assert not held_in(tmp_path)


def test_whoever_compares_may_be_told_to_end() -> None:
    """While the lists are kept, and while they are compared: four times in a thousand things."""
    asked: list[int] = []
    wanted = [BASE, *(file(f"f{number:04}") for number in range(999))]

    def asking(most: int) -> None:
        def check() -> None:
            asked.append(1)
            if len(asked) == most:
                raise InterruptedError

        asked.clear()
        with pytest.raises(InterruptedError):
            refuse_differences(lambda: wanted, reversed(wanted), "v", None, check)

    for most in (1, 5, 9, 12):
        asking(most)
