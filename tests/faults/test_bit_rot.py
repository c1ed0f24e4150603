"""Backups that rotted on their disk: a restore over the volume refuses them, and the volume stays as it was."""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

import pytest

from tests.support.corpus import differences, walk
from tests.support.effort import drawn_seed
from tests.support.house import House, at_work, settings
from tests.support.yard import Yard, refuse_untrue_of

pytestmark = [pytest.mark.faults, pytest.mark.engine]

FLIPS = int(os.environ.get("SHIPKEEPER_FLIPS", "30"))
_FILL = (
    "mkdir -p d/e && echo one > d/a && dd if=/dev/urandom of=d/big bs=1000 count=90 2>/dev/null && "
    "ln d/a hard && ln -s a s"
)


def files_of(archive: Path) -> list[Path]:
    """Every file of the only backup, but not the marks that were made later."""
    return sorted(
        path for path in archive.rglob("*") if path.is_file() and not path.name.endswith(".marks.json")
    )


def rot(path: Path, chance: random.Random) -> str:
    """Flip one bit of the file, or cut its end off; what was done, in words."""
    data = bytearray(path.read_bytes())
    at = chance.randrange(len(data))
    if chance.random() < 0.2:
        path.write_bytes(data[:at])
        return f"{path.suffixes} cut at {at}"
    data[at] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    return f"{path.suffixes} flipped at {at}"


def refused(house: House, backup: str) -> str:
    """How a restore over the volume ended, which may not be well."""
    outcome = house.say(f"restore {backup} --replace")
    assert outcome.status.value in ("failed", "rejected"), outcome
    return outcome.status.value


def test_a_rotten_backup_never_replaces_anything(
    yard: Yard, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whichever bit flips in whichever of its files, the volume is the same afterwards, and whole when mended."""
    seed = drawn_seed()
    chance, endings = random.Random(seed), Counter[str]()
    volume = yard.volume("rot", _FILL)
    place = yard.mountpoint(volume)
    toml = f'[hosts.local]\naddress = "{yard.url}"\n'
    with at_work(settings(tmp_path / "state", toml=toml), {}) as house:
        archive = tmp_path / "state" / "archive"
        made = house.say(f"backup {volume}")
        assert made.status.value == "succeeded", made
        saved = walk(place)
        (place / "d/a").write_text("changed since")
        (place / "only-now").write_text("not in the backup")
        before = walk(place)
        files = files_of(archive)
        for _ in range(FLIPS):
            path = chance.choice(files)
            whole = path.read_bytes()
            what = rot(path, chance)
            try:
                endings[refused(house, made.run_id)] += 1
                assert not differences(before, walk(place)), f"{what} (seed {seed})"
            finally:
                path.write_bytes(whole)
        assert house.say(f"restore {made.run_id} --replace").status.value == "succeeded"
        assert not differences(saved, walk(place))
        refuse_untrue_of(house.app, yard)
    with capsys.disabled():
        print(f"\n{FLIPS} rotten backups (seed {seed}): {dict(endings)}")
