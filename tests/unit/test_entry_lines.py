"""The lines beside a backup: each is JSON that any reader takes, byte for byte as a JSON library writes it."""

from __future__ import annotations

import json
from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st

from bot.entry import KINDS, Entry, Item

_NAMES = st.text() | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape"))
_NUMBERS = st.integers(-(1 << 70), 1 << 70)
_DEVICES = st.none() | st.tuples(_NUMBERS, _NUMBERS)
_LINKS = st.none() | _NAMES
_ENTRIES = st.builds(
    Entry,
    path=_NAMES,
    kind=st.sampled_from(KINDS),
    size=_NUMBERS,
    mode=_NUMBERS,
    uid=_NUMBERS,
    gid=_NUMBERS,
    mtime=_NUMBERS | st.floats(allow_nan=False, allow_infinity=False),
    link=_LINKS,
    device=_DEVICES,
    sha256=st.none() | st.binary(min_size=32, max_size=32).map(bytes.hex),
)
_ITEMS = st.builds(
    Item,
    path=_NAMES,
    kind=st.sampled_from((*KINDS, "socket")),
    size=_NUMBERS,
    mode=_NUMBERS,
    uid=_NUMBERS,
    gid=_NUMBERS,
    mtime_ns=_NUMBERS,
    ctime_ns=_NUMBERS,
    inode=_NUMBERS,
    links=_NUMBERS,
    used_bytes=_NUMBERS,
    link=_LINKS,
    device=_DEVICES,
    attributes=st.dictionaries(_NAMES, st.binary().map(bytes.hex), max_size=3),
)


@given(thing=_ENTRIES | _ITEMS)
def test_a_line_is_what_a_json_library_writes(thing: Entry | Item) -> None:
    """Every field in its order, ASCII, one line; and it makes the same thing again."""
    line = thing.to_line()
    named = {field.name: getattr(thing, field.name) for field in fields(thing)}
    assert line == json.dumps(named, separators=(",", ":")) + "\n"
    assert type(thing).from_line(line.encode("ascii")) == thing
