"""Understands what our walk through a file system writes: GNU find's records with getfattr's and stat's between.

Bytes in, items out: it must not know where the walk runs.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import islice

from bot.engine.translate import scrub
from bot.entry import ROOT, Item
from bot.errors import EngineError, StreamCut
from bot.language import say

# Everything is written by one find, so that one stream holds it in one order. It empties its buffer before it runs
# a program, so nothing is torn. Fields end in NUL, which no name and no number holds:
#   I<numbers> PATH TARGET     one thing            A<getfattr's text> <count> <its exit code>   after each <count> I
#   D<major> <minor> NAME      a device's numbers   E<find's exit code>                          the end
_RECORD = r"I%y %s %m %U %G %T@ %C@ %i %n %b %D\0%P\0%l\0"
_BATCH = (
    'printf A; getfattr --absolute-names -h -d -m - -e hex -- "$@"; code=$?; '
    r"""printf "\0%d %d\0" "$#" "$code"; exit "$code" """
)
_DEVICES = r"""\( -type b -o -type c \) -exec stat --printf 'D%t %T\0%n\0' {} +"""

NO_SUCH_PATH = 44
"""The script's exit code when there is nothing to walk through."""

_KINDS = {
    "f": "file",
    "d": "directory",
    "l": "symlink",
    "p": "fifo",
    "s": "socket",
    "b": "block",
    "c": "char",
}
_NODES = ("block", "char")
_ESCAPE = re.compile(r"\\([0-7]{3})")
_HIDDEN = "security.selinux"
_DEVICE_SHIFT = 64
_POINT = -11  # GNU find writes ten digits after it, one more than there are nanoseconds
_GONE = b": No such file or directory"
_UNKNOWN = b": Operation not supported"  # what listxattr(2) says where a file system has no attributes (FUSE)
_COMPLAINTS_KEPT = 5
_LONGEST_LINE_BYTES = 1 << 16


def script(*, attributes: bool) -> str:
    """The walk, for a shell whose `$1` is where it begins; mount points below are walked through as well."""
    batch = f"-exec /bin/sh -c '{_BATCH}' sh {{}} +" if attributes else ""
    return (
        f'[ -e "$1" ] || [ -L "$1" ] || exit {NO_SUCH_PATH}; '
        f"find \"$1\" -printf '{_RECORD}' {batch} {_DEVICES}; code=$?; "
        r"""printf 'E%d\0' "$code"; exit "$code" """
    )


class Walk:
    """Takes what the script writes in pieces of any size; gives items as soon as all is known of them.

    On other file systems below the root, `inode` has the device's number above 64 bits, so that it stays unique.
    """

    def __init__(self, root: str, *, attributes: bool) -> None:
        self._root = root.rstrip("/")
        self._rest = bytearray()
        self._fields: list[str] = []
        self._pending: list[Item] | None = [] if attributes else None
        self._nodes: list[Item] = []
        self._devices: dict[str, tuple[int, int]] = {}
        self._root_device: str | None = None
        self._has_ended = False

    def feed(self, data: bytes) -> list[Item]:
        """Take the next bytes; raises EngineError when the script did not write them."""
        end = data.rfind(b"\0")
        if end < 0:
            self._rest += data
            return []
        text = bytes(self._rest + data[:end]).decode("utf-8", "surrogateescape")
        self._rest = bytearray(data[end + 1 :])
        self._fields += text.split("\0")
        found: list[Item] = []
        try:
            used = self._understand(self._fields, found)
        except (ValueError, KeyError) as error:
            raise EngineError(
                say(
                    "The walk through the volume wrote what nobody understands ({reason}). "
                    "Nothing was changed; are find, stat and getfattr of GNU findutils, coreutils and attr?",
                    reason=error,
                )
            ) from error
        del self._fields[:used]
        return found

    def close(self) -> list[Item]:
        """The devices, which come last; raises StreamCut unless the script's end was reached."""
        if not self._has_ended or self._rest or self._fields or self._pending:
            raise StreamCut(
                say(
                    "The walk through the volume was cut: its end never came, so things are missing. "
                    "Nothing of it counts; run it again."
                )
            )
        known = self._devices
        return [replace(node, device=known[node.path]) for node in self._nodes if node.path in known]

    def _understand(self, fields: list[str], found: list[Item]) -> int:
        """How many of the fields could be used already."""
        at, count = 0, len(fields)
        while at < count:
            first = fields[at]
            kind = first[:1]
            wanted = 3 if kind == "I" else 1 if kind == "E" else 2
            if self._has_ended:
                raise ValueError("there is more after the end")
            if at + wanted > count:
                break
            if kind == "I":
                self._keep(self._item(first[1:], fields[at + 1], fields[at + 2]), found)
            elif kind == "A":
                self._give_attributes(first[1:], fields[at + 1], found)
            elif kind == "D":
                major, _, minor = first[1:].partition(" ")
                self._devices[self._relative(fields[at + 1])] = (int(major, 16), int(minor, 16))
            elif kind == "E":
                self._has_ended = True
            else:
                raise ValueError(f"a field begins with {kind!r}")
            at += wanted
        return at

    def _item(self, numbers: str, path: str, target: str) -> Item:
        kind, size, mode, uid, gid, mtime, ctime, inode, links, blocks, device = numbers.split(" ")
        if self._root_device is None:
            self._root_device = device
        number = int(inode)
        if device != self._root_device:
            number |= int(device) << _DEVICE_SHIFT
        return Item(
            path=path or ROOT,
            kind=_KINDS[kind],
            size=int(size),
            mode=int(mode, 8),
            uid=int(uid),
            gid=int(gid),
            mtime_ns=nanoseconds(mtime),
            ctime_ns=nanoseconds(ctime),
            inode=number,
            links=int(links),
            used_bytes=int(blocks) * 512,
            link=target if kind == "l" else None,
        )

    def _keep(self, item: Item, found: list[Item]) -> None:
        if self._pending is not None:
            self._pending.append(item)
        elif item.kind in _NODES:
            self._nodes.append(item)
        else:
            found.append(item)

    def _give_attributes(self, text: str, ending: str, found: list[Item]) -> None:
        count, code = (int(number) for number in ending.split(" "))
        if self._pending is None or count > len(self._pending) or code not in (0, 1):
            raise ValueError(f"getfattr ended with {code} after {count} names")
        known = {self._relative(path): names for path, names in attributes_of(text).items()}
        for item in islice(self._pending, count):
            names = known.get(item.path)
            whole = item if names is None else replace(item, attributes=names)
            (self._nodes if item.kind in _NODES else found).append(whole)
        del self._pending[:count]

    def _relative(self, path: str) -> str:
        """As find's %P has it: what it hands to programs begins with what it was given."""
        return path[len(self._root) :].lstrip("/") or ROOT


def nanoseconds(text: str) -> int:
    """A time as find prints it; before 1970 too, the fraction counts forwards (`-2.25` is a second and 3/4 ago)."""
    if text[_POINT : _POINT + 1] == "." and text[0] != "-":  # nearly always, and a million times
        return int(text[:_POINT] + text[_POINT + 1 : -1])
    seconds, _, fraction = text.partition(".")
    return int(seconds) * 1_000_000_000 + int(fraction[:9].ljust(9, "0"))


def attributes_of(text: str) -> dict[str, dict[str, str]]:
    """What `getfattr -d -e hex` wrote: path -> name -> hex. It writes `\\ooo` for signs that would confuse it."""
    found: dict[str, dict[str, str]] = {}
    names: dict[str, str] = {}
    for line in text.split("\n"):
        if line.startswith("# file: "):
            names = found[_plain(line.removeprefix("# file: "))] = {}
        elif line:
            name, _, value = line.partition("=")
            if name != _HIDDEN:
                names[_plain(name)] = value.removeprefix("0x")
    return {path: dict(sorted(names.items())) for path, names in found.items() if names}


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)), text) if "\\" in text else text


class Complaints:
    """What the programs of a walk wrote to their standard error, told apart.

    `vanished` and `bare` count what went away meanwhile and what cannot have attributes; `others` is the rest.
    """

    def __init__(self) -> None:
        self.vanished = 0
        self.bare = 0
        self.others: list[str] = []
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line)
        if len(self._rest) > _LONGEST_LINE_BYTES:
            self._take(self._rest)
            self._rest = b""

    def refuse(self, exit_code: int) -> None:
        """Raises EngineError unless the walk ended well: what vanished is just not there, what is bare has nothing."""
        self._take(self._rest)
        self._rest = b""
        wanted = 1 if self.vanished or self.bare else 0
        if self.others or exit_code not in (0, wanted):
            said = scrub("; ".join(self.others)) or say("they said nothing")
            raise EngineError(
                say(
                    "The walk through the volume is not whole: its programs ended with {code}: {reason}. "
                    "Nothing was changed; look at the volume's file system, then try again.",
                    code=exit_code,
                    reason=said,
                )
            )

    def _take(self, line: bytes) -> None:
        is_ours = line.startswith((b"find: '", b"getfattr: ", b"stat: cannot stat"))
        if is_ours and line.endswith(_GONE):
            self.vanished += 1
        elif line.startswith(b"getfattr: ") and line.endswith(_UNKNOWN):
            self.bare += 1
        elif line and len(self.others) < _COMPLAINTS_KEPT:
            self.others.append(line.decode("utf-8", "replace"))
