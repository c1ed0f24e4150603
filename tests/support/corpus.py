"""A tree with every kind of thing a volume may hold, and a walker that sees what is there.

Both speak to the kernel alone: nothing here may share code with the product.
"""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import struct
from dataclasses import dataclass
from pathlib import Path

_LONG = "n" * 255
_DEEP = "/".join(["deep" * 3] * 47)
_ACL_VERSION = 2
_USER_OBJ, _USER, _GROUP_OBJ, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
_NO_ID = 0xFFFFFFFF


@dataclass(frozen=True)
class Seen:
    """One thing as the kernel describes it; `links` are all names that share it."""

    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    content: str
    device: int
    links: tuple[bytes, ...]
    attributes: tuple[tuple[str, bytes], ...]


def walk(root: Path) -> dict[bytes, Seen]:
    """Everything below the root, the root itself under `.`."""
    names = [b"."]
    for directory, directories, files in os.walk(os.fsencode(root)):
        names += [
            os.path.relpath(os.path.join(directory, name), os.fsencode(root)) for name in directories + files
        ]
    sharing: dict[int, list[bytes]] = {}
    for name in names:
        found = os.lstat(os.path.join(os.fsencode(root), name))
        if not stat.S_ISDIR(found.st_mode):
            sharing.setdefault(found.st_ino, []).append(name)
    return {name: _look(os.path.join(os.fsencode(root), name), sharing) for name in names}


def _look(path: bytes, sharing: dict[int, list[bytes]]) -> Seen:
    found = os.lstat(path)
    is_file, is_link = stat.S_ISREG(found.st_mode), stat.S_ISLNK(found.st_mode)
    content = ""
    if is_file:
        with open(path, "rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    elif is_link:
        content = repr(os.readlink(path))
    attributes = [
        (name, os.getxattr(path, name, follow_symlinks=False))
        for name in os.listxattr(path, follow_symlinks=False)
    ]
    return Seen(
        kind=stat.filemode(found.st_mode)[0],
        mode=stat.S_IMODE(found.st_mode),
        uid=found.st_uid,
        gid=found.st_gid,
        size=found.st_size if is_file else 0,
        mtime_ns=found.st_mtime_ns,
        content=content,
        device=found.st_rdev,
        links=tuple(sorted(sharing.get(found.st_ino, []))),
        attributes=tuple(sorted(attributes)),
    )


def differences(before: dict[bytes, Seen], after: dict[bytes, Seen]) -> dict[bytes, str]:
    """Path -> what is not as it was: `missing`, `added`, or the names of the properties that changed."""
    found = {}
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            found[name] = "added" if old is None else "missing"
        elif old != new:
            found[name] = ", ".join(
                key for key in Seen.__dataclass_fields__ if getattr(old, key) != getattr(new, key)
            )
    return found


def build(root: Path) -> int:
    """Fill the root with the corpus, as root; how many things it holds, the root included."""
    for make in (_contents, _modes_and_owners, _times, _links, _specials, _names, _attributes, _holes):
        make(root)
    times = {
        _path(root, "at/old"): -1_000_000_000_000_000_000 + 500_000_000,
        _path(root, "at/epoch"): 0,
        _path(root, "at/nanoseconds"): 1_700_000_000_123_456_789,
        _path(root, "at/far"): 4_102_444_800_000_000_001,
        _path(root, "at/beyond-32-bits"): 8_589_934_592_000_000_000,
    }
    for path, moment in times.items():
        os.utime(path, ns=(moment, moment))
    os.utime(root / "at", ns=(1, 1_600_000_000_999_999_999))
    os.chown(root, 70, 71)
    os.chmod(root, 0o2751)
    os.setxattr(root, "user.root", b"the volume itself")
    os.utime(root, ns=(5, 1_234_567_890_987_654_321))
    return len(walk(root))


def _path(root: Path, name: str) -> Path:
    return root / name


def _write(root: Path, name: str, data: bytes = b"content\n") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _contents(root: Path) -> None:
    for size in (0, 1, 511, 512, 513, 1023, 1024, 1025, 4096, 1_048_577):
        _write(root, f"sizes/{size}", os.urandom(size))
    _write(root, "sizes/zeros", bytes(300_000))
    _write(root, "sizes/looks-like-a-tar", b"volume/evil" + bytes(501) + b"0" * 512 + bytes(1024))
    (root / "empty-directory").mkdir()


def _modes_and_owners(root: Path) -> None:
    for mode in (0o000, 0o400, 0o4755, 0o2755, 0o6711, 0o1777, 0o777):
        _write(root, f"modes/file-{mode:04o}").chmod(mode)
        (root / f"modes/directory-{mode:04o}").mkdir()
        _write(root, f"modes/directory-{mode:04o}/inside")
        (root / f"modes/directory-{mode:04o}").chmod(mode)
    for uid, gid in ((1, 2), (65_534, 65_534), (2_097_152, 2_097_153), (4_000_000_000, 4_000_000_001)):
        os.chown(_write(root, f"owners/{uid}"), uid, gid)
    os.symlink("1", root / "owners/link")
    os.chown(root / "owners/link", 33, 34, follow_symlinks=False)


def _times(root: Path) -> None:
    for name in ("old", "epoch", "nanoseconds", "far", "beyond-32-bits"):
        _write(root, f"at/{name}")


def _links(root: Path) -> None:
    (root / "links").mkdir()
    for name, target in (
        ("relative", "../sizes/512"),
        ("absolute", "/etc/passwd"),
        ("dangling", "nowhere/at/all"),
        ("loop", "loop"),
        ("leaving", "../../../../etc"),
        ("long", "t/" * 150),
        ("to-a-directory", "../modes"),
        ("odd", "a\nb c\t\udcff"),
    ):
        os.symlink(target, os.fsencode(root / "links") + b"/" + os.fsencode(name))
    first = _write(root, "links/hard-z-first")
    os.link(first, root / "links/hard-a-second")
    os.link(first, root / "sizes/hard-elsewhere")
    os.link(root / "links/dangling", root / "links/hard-symlink", follow_symlinks=False)
    os.chmod(_write(root, "links/hard-setuid"), 0o4711)
    os.link(root / "links/hard-setuid", root / "links/hard-setuid-too")


def _specials(root: Path) -> None:
    (root / "specials").mkdir()
    os.mkfifo(root / "specials/fifo", 0o620)
    os.link(root / "specials/fifo", root / "specials/fifo-too")
    os.mknod(root / "specials/char", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.mknod(root / "specials/block", stat.S_IFBLK | 0o660, os.makedev(259, 70_000))
    listening = socket.socket(socket.AF_UNIX)
    here = os.open(root / "specials", os.O_PATH)  # the path itself may be longer than a socket's may be
    listening.bind(f"/proc/self/fd/{here}/socket")
    listening.close()
    os.close(here)


def _names(root: Path) -> None:
    odd = os.fsencode(root) + b"/names/"
    os.mkdir(odd)
    for name in (
        b"line\nfeed", b"tab\there", b"quote'\"`$(x)", b" leading", b"trailing ", b"-x", b"--", b"...", b"a\\b\\n",
        b"\xff\xfe latin", b"*?[glob]", b"%s%n", b"#hash", b"~", b".hidden", b".wh.gone", b".wh..wh.opq",
        "\u00e9".encode(), "e\u0301".encode(), "볼륨".encode(), "🚢".encode(), b"volume", b"PaxHeaders.0",
        b"\x01\x02\x7f",         b"con:colon", b"=equals", b"a=b\n30 mtime=1\n", os.fsencode(_LONG),
    ):  # fmt: skip
        with open(odd + name, "xb") as file:
            file.write(name)
    deep = root / _DEEP
    deep.mkdir(parents=True)
    (deep / "bottom").write_bytes(b"a path of more than 600 bytes")
    hundred = root / ("h" * 99)
    hundred.write_bytes(b"a name of 99 bytes; with its prefix it passes the ustar field")


def _acl(*entries: tuple[int, int, int]) -> bytes:
    packed = b"".join(
        struct.pack("<HHI", tag, permissions, identity) for tag, permissions, identity in entries
    )
    return struct.pack("<I", _ACL_VERSION) + packed


def _attributes(root: Path) -> None:
    acl = _acl(
        (_USER_OBJ, 6, _NO_ID),
        (_USER, 4, 1234),
        (_GROUP_OBJ, 4, _NO_ID),
        (_MASK, 4, _NO_ID),
        (_OTHER, 0, _NO_ID),
    )
    default = _acl(
        (_USER_OBJ, 7, _NO_ID),
        (_USER, 7, 4321),
        (_GROUP_OBJ, 5, _NO_ID),
        (_MASK, 7, _NO_ID),
        (_OTHER, 5, _NO_ID),
    )
    os.setxattr(_write(root, "attributes/text"), "user.comment", b"plain words")
    os.setxattr(_write(root, "attributes/binary"), "user.binary", bytes(range(256)))
    os.setxattr(_write(root, "attributes/empty-value"), "user.empty", b"")
    os.setxattr(_write(root, "attributes/odd=name"), "user.a=b c", b"x=y\n")
    os.setxattr(_write(root, "attributes/large"), "user.large", os.urandom(3000))
    for name in ("user.one", "user.two", "user.three"):
        os.setxattr(
            _write(root, "attributes/many") if name == "user.one" else root / "attributes/many",
            name,
            name.encode(),
        )
    os.setxattr(_write(root, "attributes/acl"), "system.posix_acl_access", acl)
    (root / "attributes/default-acl").mkdir()
    os.setxattr(root / "attributes/default-acl", "system.posix_acl_default", default)
    os.setxattr(root / "attributes/default-acl", "user.on-a-directory", b"too")
    capability = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)  # cap_net_bind_service, effective
    os.setxattr(_write(root, "attributes/capability"), "security.capability", capability)


def _holes(root: Path) -> None:
    with (root / "holes-inside").open("wb") as file:
        file.write(b"begin")
        file.seek(8_000_000)
        file.write(b"end")
    with (root / "hole-at-the-end").open("wb") as file:
        file.truncate(6_000_000)


def is_sparse(path: Path) -> bool:
    """Whether the file takes less than half of its size."""
    found = path.lstat()
    return found.st_blocks * 512 * 2 < found.st_size
