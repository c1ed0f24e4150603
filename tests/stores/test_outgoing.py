"""Files of replies on their way: whole or not there, kept until fetched, swept when nobody waits for them."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.errors import StoreError
from bot.model import Attachment
from bot.stores.outgoing import KEPT_FOR, Outgoing, plain_name

NOW = datetime.now(UTC)
RUN = "7f3a2c1b"


@pytest.fixture
def outgoing(tmp_path: Path) -> Outgoing:
    """An empty store."""
    return Outgoing(tmp_path / "outgoing", lambda: NOW)


def _kept(outgoing: Outgoing, data: bytes = b"content", name: str = "log.txt") -> Attachment:
    with outgoing.begin(RUN) as draft:
        draft.write(data)
        return draft.keep(name)


def test_a_kept_file_says_what_it_is(outgoing: Outgoing) -> None:
    """Its size and SHA-256 are those of the bytes that were written."""
    file = _kept(outgoing)
    assert file == Attachment(name="log.txt", size=7, sha256=hashlib.sha256(b"content").hexdigest())
    with outgoing.open(RUN, file) as held:
        assert held.read() == b"content"


def test_a_file_that_is_not_kept_leaves_nothing(outgoing: Outgoing) -> None:
    """An error while it is written takes away what was written."""

    def fail() -> None:
        with outgoing.begin(RUN) as draft:
            draft.write(b"half")
            raise ValueError

    with pytest.raises(ValueError):
        fail()
    assert outgoing.names() == ()


def test_a_sweep_keeps_what_somebody_waits_for(outgoing: Outgoing, tmp_path: Path) -> None:
    """What is wanted stays; what nobody wants, what is a week old and what was never whole goes."""
    wanted, unwanted = _kept(outgoing), _kept(outgoing, b"other")
    old = _kept(outgoing, b"old")
    past = (NOW - KEPT_FOR - timedelta(hours=1)).timestamp()
    os.utime(tmp_path / "outgoing" / f"{RUN}-{old.sha256}", (past, past))
    (tmp_path / "outgoing" / f"{RUN}-00.part").write_bytes(b"half")
    removed = outgoing.sweep(lambda _run, sha256: sha256 != unwanted.sha256)
    assert len(removed) == 3
    assert outgoing.names() == (f"{RUN}-{wanted.sha256}",)


def test_a_shell_gets_the_file_beside_what_is_there(outgoing: Outgoing, tmp_path: Path) -> None:
    """A name that is taken is not written over: the run's id goes into it; the same run may be asked for again."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    (here / "log.txt").write_bytes(b"mine")
    file = _kept(outgoing)
    path = outgoing.hand_over(RUN, file, here)
    assert (path.name, path.read_bytes()) == (f"log-{RUN}.txt", b"content")
    assert (here / "log.txt").read_bytes() == b"mine"
    assert outgoing.hand_over(RUN, file, there).read_bytes() == b"content"
    assert outgoing.kept_at(RUN, file) == tmp_path / "outgoing" / f"{RUN}-{file.sha256}"


def test_a_shell_that_has_both_names_keeps_them(outgoing: Outgoing, tmp_path: Path) -> None:
    """When both names are taken nothing is written, and the file can still be fetched."""
    file = _kept(outgoing)
    for name in ("log.txt", f"log-{RUN}.txt"):
        (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(StoreError, match="not changed"):
        outgoing.hand_over(RUN, file, tmp_path)
    assert len(outgoing.names()) == 1


def test_what_is_not_handed_over_whole_leaves_nothing_there(outgoing: Outgoing, tmp_path: Path) -> None:
    """Neither bytes that are not those of the answer nor a piece of them; nobody is told to do the work again."""
    here, file = tmp_path / "here", _kept(outgoing)
    here.mkdir()
    kept = outgoing.kept_at(RUN, file)
    assert kept is not None
    kept.write_bytes(b"changed")
    with pytest.raises(StoreError, match="not written as it should be") as wrong:
        outgoing.hand_over(RUN, file, here)
    kept.unlink()
    with pytest.raises(StoreError, match="No such file") as gone:
        outgoing.hand_over(RUN, file, here)
    assert not [one for one in (wrong, gone) if "again" in str(one.value)]
    assert (list(here.iterdir()), outgoing.kept_at(RUN, file)) == ([], None)


def test_what_is_a_week_old_goes_while_others_write(outgoing: Outgoing, tmp_path: Path) -> None:
    """Younger files stay, and what is not whole yet is left to whoever writes it."""
    young, old = _kept(outgoing), _kept(outgoing, b"old")
    past = (NOW - KEPT_FOR - timedelta(hours=1)).timestamp()
    os.utime(tmp_path / "outgoing" / f"{RUN}-{old.sha256}", (past, past))
    (tmp_path / "outgoing" / f"{RUN}-00.part").write_bytes(b"half")
    outgoing.remove_old()
    assert outgoing.names() == (f"{RUN}-00.part", f"{RUN}-{young.sha256}")


@pytest.mark.parametrize(
    ("name", "plain"),
    [("../../etc/passwd", "_.._etc_passwd"), ("a\nb\0c", "a_b_c"), ("...", "file"), ("", "file")],
)
def test_a_name_is_one_part(name: str, plain: str) -> None:
    """No name of a file can lead out of the directory it is written to, or steer a terminal."""
    assert plain_name(name) == plain


def test_a_long_name_is_cut() -> None:
    """Every file system takes the name."""
    assert len(plain_name("ä" * 500).encode()) <= 200
