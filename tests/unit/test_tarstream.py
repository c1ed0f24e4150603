"""The tar proof: whatever is cut, damaged or unsafe is never taken for a whole volume."""

from __future__ import annotations

import hashlib
import io
import tarfile
import weakref
from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.entry import Entry
from bot.errors import EngineError, StreamCut
from bot.reasons import Reason
from bot.tar.header import member_name, relative_path
from bot.tar.stream import TarReader
from tests.support.effort import examples
from tests.support.uncollected import uncollected

Member = tuple[tarfile.TarInfo, bytes]
Form = Literal[1, 2]


def member(name: str, body: bytes = b"", kind: bytes = tarfile.REGTYPE, **fields: object) -> Member:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(body)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, body


def packed(members: list[Member], form: Form = tarfile.PAX_FORMAT) -> bytes:
    """A tar as Docker sends it: ending right after its two zero blocks."""
    parts = []
    for info, body in members:
        parts += [info.tobuf(form, "utf-8", "surrogateescape"), body, bytes(-len(body) % 512)]
    return b"".join(parts) + bytes(1024)


def read(data: bytes, step: int = 1 << 20, root: str = "volume") -> list[Entry]:
    found: list[Entry] = []
    reader = TarReader(found.append, root)
    for start in range(0, len(data), step):
        reader.feed(data[start : start + step])
    reader.close()
    return found


ROOT = member("volume", kind=tarfile.DIRTYPE, mode=0o40755)
SMALL = packed(
    [
        ROOT,
        member("volume/first", b"x" * 700),
        member("volume/" + "long" * 60, b"y" * 1024),
        member("volume/zeros", bytes(3000)),
        member("volume/empty"),
    ]
)


def test_every_entry_is_reported_with_what_it_is() -> None:
    """Kinds, ids, modes, times, links, devices and hashes come out as they went in."""
    members = [
        ROOT,
        member("volume/f", b"hello", mode=0o104755, uid=5_000_000, gid=7, mtime=1_700_000_000),
        member("volume/half", mtime=12.5),
        member("volume/s", kind=tarfile.SYMTYPE, linkname="/etc/../passwd"),
        member("volume/h", kind=tarfile.LNKTYPE, linkname="volume/f"),
        member("volume/d/", kind=tarfile.DIRTYPE, mode=0o1777),
        member("volume/p", kind=tarfile.FIFOTYPE),
        member("volume/c", kind=tarfile.CHRTYPE, devmajor=1, devminor=3),
        member("volume/b", kind=tarfile.BLKTYPE, devmajor=8, devminor=1),
    ]
    root, file, half, symlink, hardlink, directory, fifo, char, block = read(packed(members))
    assert (root.path, root.kind, root.mode) == (".", "directory", 0o755)
    assert file == Entry(
        path="f", kind="file", size=5, mode=0o4755, uid=5_000_000, gid=7, mtime=1_700_000_000,
        sha256=hashlib.sha256(b"hello").hexdigest(),
    )  # fmt: skip
    assert half.mtime == 12.5
    assert (symlink.kind, symlink.link) == ("symlink", "/etc/../passwd")
    assert (hardlink.kind, hardlink.link, hardlink.sha256) == ("hardlink", "f", None)
    assert (directory.path, directory.mode) == ("d", 0o1777)
    assert (fifo.kind, char.kind, char.device) == ("fifo", "char", (1, 3))
    assert (block.kind, block.device) == ("block", (8, 1))


@pytest.mark.parametrize("step", [1, 7, 511, 512, 513, 1 << 20])
def test_the_size_of_the_pieces_does_not_matter(step: int) -> None:
    """The same entries come out however the stream was divided."""
    assert read(SMALL, step) == read(SMALL)


@pytest.mark.parametrize("end", range(0, len(SMALL), 512))
def test_a_cut_at_any_block_is_noticed(end: int) -> None:
    """No prefix that ends on a block boundary counts as whole, nor does one a byte longer or shorter."""
    for cut in {end, max(0, end - 1), end + 1}:
        with pytest.raises(StreamCut):
            read(SMALL[:cut])


def test_zeros_in_a_cut_file_are_no_end_marker() -> None:
    """A file of zeros that is cut ends with 1024 zero bytes and still is refused."""
    data = packed([ROOT, member("volume/zeros", bytes(9000))])
    assert data[: 512 + 512 + 4096].endswith(bytes(1024))
    with pytest.raises(StreamCut, match="zeros"):
        read(data[: 512 + 512 + 4096])


def test_an_end_marker_without_entries_is_no_volume() -> None:
    """A volume has at least its root."""
    with pytest.raises(StreamCut):
        read(bytes(1024))


def test_more_zero_blocks_are_welcome_and_anything_else_is_not() -> None:
    """Behind the end marker only whole zero blocks may come."""
    assert read(SMALL + bytes(512 * 17)) == read(SMALL)
    with pytest.raises(StreamCut):
        read(SMALL + bytes(100))
    with pytest.raises(EngineError, match="behind the end marker"):
        read(SMALL + b"\1" + bytes(511))


def test_a_lone_zero_block_is_refused() -> None:
    """One zero block followed by an entry is damage, not an end."""
    with pytest.raises(EngineError, match="lone zero block"):
        read(packed([ROOT])[:512] + bytes(512) + SMALL)


def test_a_damaged_header_is_refused() -> None:
    """A header whose checksum does not fit is never guessed at."""
    data = bytearray(SMALL)
    data[3] ^= 1
    with pytest.raises(EngineError, match="header is damaged"):
        read(bytes(data))


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "etc/passwd",
        "volume/../x",
        "volume/a/../../x",
        "../volume/x",
        "./volume/x",
        "volume//x",
        "volumes",
    ],
)
def test_a_path_outside_the_volume_is_refused(name: str) -> None:
    """Absolute paths, parent steps and other roots never become entries."""
    with pytest.raises(EngineError, match="outside"):
        read(packed([ROOT, member(name, b"x")]))


def test_a_hard_link_out_of_the_volume_is_refused() -> None:
    """A hard link may only name another entry of the volume."""
    with pytest.raises(EngineError, match="outside"):
        read(packed([ROOT, member("volume/h", kind=tarfile.LNKTYPE, linkname="/etc/shadow")]))


def test_a_path_that_is_one_file_is_its_own_root() -> None:
    """What arrives of a single file is one entry, `.`, that is no directory, under whatever name it has."""
    (entry,) = read(packed([member("app.conf", b"x=1", mode=0o100600)]), root="app.conf")
    assert (entry.path, entry.kind, entry.size, entry.mode) == (".", "file", 3, 0o600)
    assert read(packed([member("volume", kind=tarfile.FIFOTYPE)]))[0].kind == "fifo"


def test_entries_are_relative_to_the_root_that_was_named() -> None:
    """Paths and hard links lose the root's name, and no other root's names are taken."""
    data = packed([member("base/", kind=tarfile.DIRTYPE), member("base/f", b"x"),
                   member("base/h", kind=tarfile.LNKTYPE, linkname="base/f")])  # fmt: skip
    assert [(entry.path, entry.link) for entry in read(data, root="base")] == [
        (".", None),
        ("f", None),
        ("h", "f"),
    ]
    with pytest.raises(EngineError, match="outside “volume”") as raised:
        read(data)
    assert raised.value.reason is Reason.NOT_A_TAR


def test_names_in_a_tar_and_paths_are_each_others_opposite() -> None:
    """The root's own name stands for `.`, and anything else goes below it."""
    assert [member_name("base", path) for path in (".", "a/b", "base")] == ["base", "base/a/b", "base/base"]
    assert relative_path(member_name("base", "base"), "base") == "base"


def test_both_ways_to_add_up_a_header_count() -> None:
    """Old programs added up signed bytes; a header in which any other byte changed is refused."""
    data = bytearray(packed([ROOT, member("volume/\udcff\udcfe", b"x")], tarfile.GNU_FORMAT))
    signed = sum(byte - 256 * (byte > 127) for byte in data[512:660] + data[668:1024]) + 8 * 32
    data[660:668] = b"%06o\0 " % signed
    assert read(bytes(data))[1].path == "\udcff\udcfe"
    data[512 + 200] ^= 1
    with pytest.raises(EngineError, match="checksum"):
        read(bytes(data))


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_SPARSE, b"V", b"?"])
def test_an_unknown_type_is_refused(kind: bytes) -> None:
    """What cannot be checked is not passed over."""
    with pytest.raises(EngineError, match="unknown type"):
        read(packed([ROOT, member("volume/x", kind=kind)]))


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_a_size_beyond_eight_gibibytes_is_understood(form: Form) -> None:
    """Base-256 and PAX sizes are believed: the body is missing, so the stream is cut, inside that file."""
    info = tarfile.TarInfo("volume/huge")
    info.size = 9 << 30
    with pytest.raises(StreamCut, match="huge"):
        read(packed([ROOT]).removesuffix(bytes(1024)) + info.tobuf(form) + bytes(4096))


def test_an_extended_header_may_not_fill_the_memory() -> None:
    """More than 1 MiB of extended header is refused before it is read."""
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, (1 << 20) + 1
    with pytest.raises(EngineError, match="extended header claims"):
        read(info.tobuf(tarfile.USTAR_FORMAT))


@pytest.mark.parametrize("record", [b"0 path=x\n", b"path=x\n", b"4 a=\n", b"999999 a=b\n", b"11 size=-3\n",
                                    b"12 mtime=in\n", b"20 GNU.sparse.map=1\n"])  # fmt: skip
def test_damaged_pax_records_are_refused(record: bytes) -> None:
    """Lengths that do not fit and values that make no sense end the reading."""
    info, body = member("pax", record, kind=tarfile.XHDTYPE)
    with pytest.raises(EngineError):
        read(packed([(info, body), member("volume/x", b"x")]))


def test_a_global_header_counts_for_all_that_follow() -> None:
    """PAX `g` records are defaults, `x` records of one entry override them."""
    head = member("g", b"10 uid=42\n", kind=tarfile.XGLTYPE)
    own = member("x", b"8 uid=7\n", kind=tarfile.XHDTYPE)
    entries = read(packed([head, ROOT, own, member("volume/x"), member("volume/y")]))
    assert [entry.uid for entry in entries] == [42, 7, 42]


def test_an_extended_header_without_its_entry_is_refused() -> None:
    """An end marker right behind an extended header means that the entry is missing."""
    with pytest.raises(EngineError, match="has no entry"):
        read(packed([ROOT, member("x", b"8 uid=7\n", kind=tarfile.XHDTYPE)]))


names = st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=130).filter(
    lambda name: name not in (".", "..")
)
raw_names = st.binary(min_size=1, max_size=60).filter(
    lambda name: not set(name) & {0, 47} and name not in (b".", b"..")
)
any_name = names | raw_names.map(lambda name: name.decode("utf-8", "surrogateescape"))


@settings(max_examples=examples(60, 150), deadline=None)
@given(
    files=st.lists(
        st.tuples(any_name, st.binary(max_size=1500), st.integers(0, 0o7777), st.integers(0, (1 << 32) - 1))
    ),
    form=st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
    step=st.integers(1, 3000),
)
def test_what_tarfile_packs_comes_out_equal(
    files: list[tuple[str, bytes, int, int]], form: Form, step: int
) -> None:
    """For any names, bodies, modes and owners, in both dialects and any pieces, entries come out equal."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form, errors="surrogateescape") as tar:
        tar.addfile(ROOT[0])
        for name, body, mode, uid in files:
            info, _ = member(f"volume/{name}", body, mode=mode, uid=uid, mtime=uid)
            tar.addfile(info, io.BytesIO(body))
    found = read(buffer.getvalue(), step)[1:]
    expected = [
        (name, len(body), mode, uid, uid, hashlib.sha256(body).hexdigest()) for name, body, mode, uid in files
    ]
    assert [(e.path, e.size, e.mode, e.uid, e.mtime, e.sha256) for e in found] == expected
    assert [Entry.from_line(entry.to_line()) for entry in found] == found


def test_an_entry_survives_its_line() -> None:
    """Names that are not UTF-8, line feeds and devices come back from JSON, which is one line of ASCII."""
    entry = Entry(
        path="a\nb\udcff\U0001f600\udc80",
        kind="char",
        size=0,
        mode=0o600,
        uid=0,
        gid=0,
        mtime=1.25,
        device=(1, 3),
    )
    line = entry.to_line()
    assert line.isascii()
    assert line.count("\n") == 1
    assert "\\udcff" in line
    assert Entry.from_line(line) == entry
    assert Entry.from_line(line) != replace(entry, path="other")


@pytest.mark.parametrize("line", ["[]", "{}", '{"kind":"file"}', '{"kind":"socket"}', "nonsense"])
def test_a_line_that_is_no_entry_is_refused(line: str) -> None:
    """Only what an entry wrote is read as one."""
    with pytest.raises(ValueError):
        Entry.from_line(line)


@pytest.mark.parametrize("read_bytes", [0, 700, 1024, 1500, len(SMALL)])
def test_a_reader_is_let_go_of_wherever_it_stopped(read_bytes: int) -> None:
    """With whoever takes its entries, and without waiting for a collector of circles."""
    with uncollected():
        reader = TarReader(lambda _: None)
        reader.feed(SMALL[:read_bytes])
        seen = weakref.ref(reader)
        del reader
        assert seen() is None
