"""The tar editor: only what was asked for changes, however the tar was cut, and what is not whole never ends."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.entry import Entry
from bot.errors import EngineError, StreamCut
from bot.tar.edit import PIECE_BYTES, Edit, edit, in_turn, member_name
from tests.support.effort import examples

Form = Literal[1, 2]
XATTR = "SCHILY.xattr.user."
ACL = bytes.fromhex("02000000")


def member(
    name: str, kind: bytes = tarfile.REGTYPE, body: bytes = b"", **fields: object
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(body)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, body


def packed(members: list[tuple[tarfile.TarInfo, bytes]], form: Form = tarfile.PAX_FORMAT) -> bytes:
    parts = []
    for info, body in members:
        parts += [info.tobuf(form, "utf-8", "surrogateescape"), body, bytes(-len(body) % 512)]
    return b"".join(parts) + bytes(1024)


def in_steps(data: bytes, step: int) -> Iterator[bytes]:
    for start in range(0, len(data), step):
        yield data[start : start + step]


def edited(data: bytes, decide: Callable[[Entry], Edit], step: int = 1 << 16, root: str = "volume") -> bytes:
    return b"".join(edit(in_steps(data, step), decide, root))


def unpacked(data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as tar:
        return [(info, tar.extractfile(info).read() if info.isreg() else b"") for info in tar]  # type: ignore[union-attr]


def same(entry: Entry) -> Edit:  # noqa: ARG001
    return Edit()


LONG = "volume/" + "long" * 60
TREE = [
    member("volume", tarfile.DIRTYPE, mode=0o755),
    member("volume/a", body=b"hello" * 300, mtime=1_600_000_000),
    member("volume/b", tarfile.LNKTYPE, linkname="volume/a"),
    member(LONG, body=b"x"),
    member("volume/s", tarfile.SYMTYPE, linkname="t" * 300),
]


@pytest.mark.parametrize("step", [1, 100, 511, 512, 513, 4096, 1 << 20])
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_without_a_wish_the_tar_comes_out_as_it_went_in(step: int, form: Form) -> None:
    """Not a byte changes, in either dialect, however the stream is cut."""
    data = packed(TREE, form)
    assert edited(data, same, step) == data
    assert edited(data + bytes(9216), same, step) == data


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_records_are_added_and_those_of_the_entry_stay(form: Form) -> None:
    """Long names survive beside new records, whichever way the tar wrote them, and bodies stay where they belong."""
    records: dict[str, bytes | str] = {"mtime": "1600000000.123456789", XATTR + "raw": b"\0\xff=\n"}
    found = unpacked(edited(packed(TREE, form), lambda _: Edit(records=records)))
    assert [(info.name, info.linkname, body) for info, body in found] == [
        (info.name, info.linkname, body) for info, body in TREE
    ]
    for info, _ in found:
        assert info.pax_headers["mtime"] == "1600000000.123456789"
        assert info.pax_headers[XATTR + "raw"].encode("utf-8", "surrogateescape") == b"\0\xff=\n"


def test_a_record_of_ours_wins_over_the_entrys_own() -> None:
    """What the entry said is replaced, and nothing of it is said twice."""
    data = packed([TREE[0], member("volume/x", mtime=5.5, pax_headers={"comment": "kept"})])
    result = edited(data, lambda entry: Edit(records={"mtime": b"7.25"}) if entry.path == "x" else Edit())
    ((_, _), (info, _)) = unpacked(result)
    assert (info.mtime, info.pax_headers["comment"]) == (7.25, "kept")
    assert result.count(b"mtime=") == 1


def test_an_entry_left_out_takes_its_body_and_records_along() -> None:
    """The next entry stands where it should, and the file's headers are gone with it."""
    result = edited(packed(TREE), lambda entry: Edit(drop=entry.size > 0))
    assert [info.name for info, _ in unpacked(result)] == ["volume", "volume/b", "volume/s"]
    assert b"hello" not in result
    assert b"longlong" not in result


def test_a_link_becomes_the_file_by_changing_names() -> None:
    """A file under its link's name is the file, and other links can be led there."""

    def decide(entry: Entry) -> Edit:
        if entry.path == "a":
            return Edit(records={"path": member_name("volume", "d/new")})
        return Edit(records={"linkpath": member_name("volume", "d/new")}) if entry.link == "a" else Edit()

    found = unpacked(edited(packed(TREE), decide))
    assert [(info.name, info.linkname, body[:5]) for info, body in found[1:3]] == [
        ("volume/d/new", "", b"hello"),
        ("volume/b", "volume/d/new", b""),
    ]


def test_a_global_header_passes_even_when_its_next_entry_does_not() -> None:
    """Defaults for all that follow are of no one entry."""
    head = member("g", tarfile.XGLTYPE, b"10 uid=42\n")
    result = edited(packed([head, *TREE]), lambda entry: Edit(drop=entry.path == "."))
    assert {info.uid for info, _ in unpacked(result)} == {42}


def test_a_size_is_not_to_be_changed() -> None:
    """A wish for another size is a mistake in the program."""
    with pytest.raises(ValueError, match="size"):
        edited(packed(TREE), lambda _: Edit(records={"size": "1"}))


def test_a_root_of_another_name_may_be_a_single_file() -> None:
    """Names are given relative to the root that was named, and the root may be anything."""
    seen: list[str] = []

    def decide(entry: Entry) -> Edit:
        seen.append(f"{entry.path} {entry.kind} {entry.sha256}")
        return Edit()

    edited(packed([member("app.conf", body=b"x")]), decide, root="app.conf")
    assert seen == [". file None"]


@pytest.mark.parametrize("cut", range(0, len(packed(TREE)), 256))
def test_a_tar_that_is_not_whole_never_ends_properly(cut: int) -> None:
    """Whatever is cut off, the editor raises, and has not written an end marker before."""
    out: list[bytes] = []
    with pytest.raises(StreamCut):
        out.extend(edit(in_steps(packed(TREE)[:cut], 100), same))
    assert not b"".join(out).endswith(bytes(1024))


def test_a_damaged_tar_and_an_error_of_the_source_are_told() -> None:
    """Damage raises EngineError; what the source or the decision raises arrives as it is."""
    data = bytearray(packed(TREE))
    data[600] ^= 1
    with pytest.raises(EngineError, match="damaged"):
        edited(bytes(data), same)

    def broken() -> Iterator[bytes]:
        yield packed(TREE)[:700]
        raise InterruptedError

    with pytest.raises(InterruptedError):
        list(edit(broken(), same))


def test_pieces_are_neither_tiny_nor_the_whole_body() -> None:
    """Thousands of small entries leave in large pieces, and a large body never gathers."""
    small = packed([TREE[0], *(member(f"volume/{number}", body=b"x") for number in range(5_000))])
    pieces = list(edit(in_steps(small, 4096), same))
    assert b"".join(pieces) == small
    assert all(PIECE_BYTES <= len(piece) < 2 * PIECE_BYTES for piece in pieces[:-1])
    large = packed([TREE[0], member("volume/big", body=bytes(3 << 20))])
    assert max(map(len, edit(in_steps(large, 10_000), same))) < 2 * PIECE_BYTES


def test_decisions_add_up_in_turn() -> None:
    """Each sees the name that the one before it gave, records of all count, and one that drops is enough."""

    def rename(entry: Entry) -> Edit:
        return Edit(records={"path": f"volume/new-{entry.path}", "mtime": "1"})

    def stamp(entry: Entry) -> Edit:
        return Edit(records={XATTR + "path": entry.path, "mtime": "2"})

    entry = Entry(path="a", kind="file", size=1, mode=0, uid=0, gid=0, mtime=0)
    assert in_turn([rename, stamp])(entry).records == {
        "path": "volume/new-a", "mtime": "2", XATTR + "path": "new-a"
    }  # fmt: skip
    assert in_turn([rename, lambda entry: Edit(drop=entry.path == "new-a"), stamp])(entry).drop
    assert in_turn([same])(entry) == Edit()


def test_gnu_tar_reads_and_unpacks_what_was_edited(tmp_path: Path) -> None:
    """The listing has the times, and files come out with nanoseconds, attributes and ACLs."""
    entries = [
        member("volume", tarfile.DIRTYPE, mode=0o755),
        member("volume/f", body=b"x" * 2000, mode=0o674),
    ]
    for info, _ in entries:
        info.uid, info.gid = os.getuid(), os.getgid()
    acl = bytes.fromhex(
        "0200000001000600ffffffff020007003930000004000400ffffffff10000700ffffffff20000400ffffffff"
    )
    records = {
        "mtime": b"1600000000.000000009",
        XATTR + "note": b"a\0b",
        "SCHILY.xattr.system.posix_acl_access": acl,
    }
    result = edited(packed(entries), lambda entry: Edit(records=records) if entry.path == "f" else Edit())
    (tmp_path / "x.tar").write_bytes(result)
    listed = subprocess.run(
        ["tar", "-tvf", "x.tar", "--full-time"], cwd=tmp_path, env={**os.environ, "TZ": "UTC"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "2020-09-13 12:26:40.000000009 volume/f" in listed.stdout
    assert listed.stderr == ""
    subprocess.run(["tar", "-xf", "x.tar", "--xattrs", "--xattrs-include=*"], cwd=tmp_path, check=True)
    file = tmp_path / "volume/f"
    assert file.stat().st_mtime_ns == 1_600_000_000_000_000_009
    assert os.getxattr(file, "user.note") == b"a\0b"
    assert os.getxattr(file, "system.posix_acl_access") == acl


name = st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=120).filter(
    lambda text: text not in (".", "..")
)
body = st.binary(max_size=1500)
record = st.dictionaries(
    st.sampled_from(["mtime", "comment", XATTR + "a", XATTR + "b"]), st.just(b"12.5") | st.just(b"3")
)
node = st.tuples(st.sampled_from("fdsl"), body, st.integers(0, (1 << 32) - 1), st.booleans(), record)


@settings(max_examples=examples(60, 200), deadline=None)
@given(
    tree=st.dictionaries(name, node, max_size=8),
    form=st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
    steps=st.lists(st.integers(1, 2000), min_size=1, max_size=5),
    cut=st.integers(0, 1 << 20),
)
def test_any_tree_cut_anyhow_comes_out_as_a_model_says(
    tree: dict[str, tuple[str, bytes, int, bool, dict[str, bytes]]], form: Form, steps: list[int], cut: int
) -> None:
    """What tarfile reads of the result is what it read before, without the dropped ones and with the records."""
    kinds = {"f": tarfile.REGTYPE, "d": tarfile.DIRTYPE, "s": tarfile.SYMTYPE, "l": tarfile.LNKTYPE}
    members = [member("volume", tarfile.DIRTYPE)]
    for path, (kind, data, number, _, _) in tree.items():
        to = "volume/" + path if kind == "l" else path if kind == "s" else ""
        members.append(
            member(
                f"volume/{path}",
                kinds[kind],
                data if kind == "f" else b"",
                linkname=to,
                uid=number,
                mtime=number,
            )
        )
    data = packed(members, form)

    def chunks(whole: bytes) -> Iterator[bytes]:
        at, turn = 0, 0
        while at < len(whole):
            yield whole[at : at + steps[turn % len(steps)]]
            at, turn = at + steps[turn % len(steps)], turn + 1

    def decide(entry: Entry) -> Edit:
        _, _, _, drop, records = tree.get(entry.path, ("d", b"", 0, False, {}))
        return Edit(drop=drop, records=records)

    expected = []
    for info, content in members:
        _, _, _, drop, records = tree.get(info.name.removeprefix("volume/"), ("d", b"", 0, False, {}))
        if not drop:
            mtime = float(records.get("mtime", info.mtime))
            expected.append((info.name, info.type, info.linkname, info.uid, mtime, content, records))
    found = []
    for info, content in unpacked(b"".join(edit(chunks(data), decide))):
        own = {key: value.encode() for key, value in info.pax_headers.items() if key in (
            "comment", XATTR + "a", XATTR + "b")}  # fmt: skip
        if "mtime" in tree.get(info.name.removeprefix("volume/"), ("", b"", 0, False, {}))[4]:
            own["mtime"] = info.pax_headers["mtime"].encode()
        found.append((info.name, info.type, info.linkname, info.uid, float(info.mtime), content, own))
    assert found == expected
    with pytest.raises(StreamCut):
        list(edit(chunks(data[: cut % len(data)]), decide))
