"""What `--path` picks: just that, with the way to it, and hard links that keep their content."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.entry import Entry, Item
from bot.errors import NotFound, UsageError
from bot.operations.selection import Selection, select
from bot.tar.edit import edit
from bot.tar.stream import TarReader
from tests.support.effort import examples

Node = tuple[str, str]
TREE: dict[str, Node] = {
    ".": ("d", ""),
    "a": ("d", ""),
    "a/first": ("f", "one"),
    "a/x": ("d", ""),
    "a/x/deep": ("f", "two"),
    "a/x/out": ("l", "a/first"),
    "a/x/out2": ("l", "a/first"),
    "a/x/own": ("l", "a/x/deep"),
    "ab": ("d", ""),
    "ab/x": ("f", "three"),
    "a.txt": ("f", "four"),
    "link": ("s", "a"),
}
TYPES = {"d": tarfile.DIRTYPE, "f": tarfile.REGTYPE, "l": tarfile.LNKTYPE, "s": tarfile.SYMTYPE}


def packed(tree: dict[str, Node], root: str) -> bytes:
    parts = []
    for path, (kind, text) in tree.items():
        info = tarfile.TarInfo(root if path == "." else f"{root}/{path}")
        info.type = TYPES[kind]
        body = text.encode() if kind == "f" else b""
        info.size = len(body)
        info.linkname = {"l": f"{root}/{text}", "s": text}.get(kind, "")
        parts += [info.tobuf(tarfile.PAX_FORMAT), body, bytes(-len(body) % 512)]
    return b"".join(parts) + bytes(1024)


def read(data: bytes, root: str = "volume") -> list[Entry]:
    found: list[Entry] = []
    reader = TarReader(found.append, root)
    reader.feed(data)
    reader.close()
    return found


def chosen(tree: dict[str, Node], path: str, root: str = "volume") -> tuple[Selection, list[Entry]]:
    data = packed(tree, root)
    selection = select(lambda: read(data, root), path, root)
    left = read(b"".join(edit([data], selection.decide, root)), root)
    assert left == list(selection.entries(read(data, root)))
    assert len(left) == selection.count
    assert sum(entry.size for entry in left) == selection.total_bytes
    return selection, left


def paths(path: str, root: str = "volume") -> list[str]:
    return [entry.path for entry in chosen(TREE, path, root)[1]]


def test_a_file_comes_with_the_directories_that_lead_to_it() -> None:
    """Nothing else comes, and a leading slash does no harm."""
    assert paths("ab/x") == paths("/ab/x") == [".", "ab", "ab/x"]
    assert paths("a.txt") == [".", "a.txt"]
    assert paths("link", root="base") == [".", "link"]


def test_a_directory_comes_with_all_below_it_and_nothing_that_begins_alike() -> None:
    """`a` is neither `ab` nor `a.txt`."""
    assert paths("ab/") == [".", "ab", "ab/x"]
    assert paths("a") == [".", "a", "a/first", "a/x", "a/x/deep", "a/x/out", "a/x/out2", "a/x/own"]


def test_links_whose_first_name_is_outside_become_the_file() -> None:
    """The first of them has the content, further ones share it, and links within stay as they are."""
    selection, left = chosen(TREE, "a/x")
    by_path = {entry.path: entry for entry in left}
    assert selection.moved == {"a/first": "a/x/out"}
    assert (selection.entry.path, selection.entry.kind) == ("a/x", "directory")
    assert (by_path["a/x/out"].kind, by_path["a/x/out"].size) == ("file", 3)
    assert by_path["a/x/out2"].link == "a/x/out"
    assert by_path["a/x/own"].link == "a/x/deep"
    assert "a/first" not in by_path
    assert {entry.path: entry.kind for entry in chosen(TREE, "a/x/out2")[1]} == {
        ".": "directory", "a": "directory", "a/x": "directory", "a/x/out2": "file"
    }  # fmt: skip


def test_what_a_walk_found_is_selected_alike() -> None:
    """Items need no renaming: the links are there, under their own names."""
    item = Item(
        path=".", kind="file", size=0, mode=0, uid=0, gid=0, mtime_ns=0, ctime_ns=0, inode=1, links=1, used_bytes=0
    )  # fmt: skip
    selection, left = chosen(TREE, "a/x")
    found = selection.items(replace(item, path=path) for path in TREE)
    assert {one.path for one in found} == {entry.path for entry in left}


@pytest.mark.parametrize("path", ["", "/", ".", "./a", "a/.", "a/../b", "..", "../volume", "a//x", "a\0"])
def test_a_path_that_names_no_place_is_refused(path: str) -> None:
    """Whoever wants everything leaves the flag out; nobody gets out of the backup."""
    with pytest.raises(UsageError, match="no path inside a backup"):
        select(lambda: read(packed(TREE, "volume")), path)


@pytest.mark.parametrize(
    ("path", "said"),
    [("abb", "Did you mean “ab”"), ("a/x/depe", "in “a/x” there is no “depe”.*“deep”"), ("link/first", "“link”"),
     ("a/frist/more", "in “a” there is no “frist”.*“first”"), ("zzzzz", "holds no “zzzzz”")],
)  # fmt: skip
def test_a_path_that_is_not_there_is_told_with_those_nearby(path: str, said: str) -> None:
    """The last directory that exists is searched for what was meant; links are not followed."""
    with pytest.raises(NotFound, match=said):
        select(lambda: read(packed(TREE, "volume")), path)


step = st.sampled_from(["a", "b", "ab", "a.b"])


@settings(max_examples=examples(60, 150), deadline=None)
@given(
    raw=st.lists(
        st.tuples(st.lists(step, min_size=1, max_size=3).map(tuple), st.integers(0, 5)), max_size=12
    ),
    pick=st.integers(0, 100),
)
def test_any_selection_has_what_the_whole_has_there(
    raw: list[tuple[tuple[str, ...], int]], pick: int
) -> None:
    """Unpacked by an independent reader, every selected path has the content that it has in the whole."""
    tree: dict[str, Node] = {".": ("d", "")}
    for steps, number in raw:
        for length in range(1, len(steps)):
            if tree.setdefault("/".join(steps[:length]), ("d", ""))[0] != "d":
                break
        else:
            files = [path for path, (kind, _) in tree.items() if kind == "f"]
            new = ("l", files[number % len(files)]) if files and number % 2 else ("f", f"body {len(tree)}")
            tree.setdefault("/".join(steps), new)
    names = [path for path in tree if path != "."]
    if not names:
        return
    wanted = names[pick % len(names)]
    selection, left = chosen(tree, wanted)
    data = b"".join(edit([packed(tree, "volume")], selection.decide))
    inside = [path for path in tree if path == wanted or path.startswith(wanted + "/")]
    ways = [path for path in tree if path == "." or wanted.startswith(path + "/")]
    assert {entry.path for entry in left} == {*inside, *ways}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for path in inside:
            kind, text = tree[path]
            body = tree[text][1] if kind == "l" else text
            if kind != "d":
                content = tar.extractfile(f"volume/{path}")
                assert content is not None
                assert content.read() == body.encode()
