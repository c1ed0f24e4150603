"""The manifest of a backup: it says everything, is read again as it was, and one flipped bit in it is noticed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bot.errors import ArchiveError
from bot.reasons import Reason
from bot.stores.archive import (
    OUTCOME_PARTIAL,
    PROOF,
    PROOF_INVENTORY,
    SAFETY,
    Archive,
    DumpFacts,
    EntriesFile,
    HookFacts,
    Manifest,
    Problem,
    Problems,
    SourceFacts,
)
from bot.stores.archive.fields import write_object
from bot.stores.archive.manifest import parse_manifest
from tests.support.archives import Clock, back_up, fill, manifest_of, small_tar

OLD = (Path(__file__).parents[1] / "golden" / "old_backup_manifest.json").read_text()


def full() -> Manifest:
    """A manifest in which every field is set."""
    old = parse_manifest(OLD)
    return replace(
        old,
        outcome=OUTCOME_PARTIAL,
        proof=(*PROOF, PROOF_INVENTORY),
        lost=(),
        source=SourceFacts(kind="path", container="web", path="/srv/app.conf", root="app.conf"),
        problems=Problems(count=2, listed=(Problem(path="a\udcff", reason=Reason.VANISHED),)),
        inventory=EntriesFile(count=1, file=f"{old.id}.inventory.jsonl.zst", sha256="0" * 64),
        downtime_seconds=1.5,
        hooks=(
            HookFacts(container="web", which="pre", command="sync", exit_code=None, output="é"),
            HookFacts(container="web", which="post", command="sync", exit_code=-9, output=""),
        ),
        dump=DumpFacts(preset="postgresql", command="pg_dumpall", bytes=5, sha256="1" * 64),
        purpose=SAFETY,
    )


def test_an_old_manifest_is_still_read() -> None:
    """A manifest from before there were sources, walks and checksums says what it always said, and no more."""
    old = parse_manifest(OLD)
    assert (old.id, old.volume.name, old.outcome) == ("20261103T040506Z-r1", "pgdata", "ok")
    assert "sockets" in old.lost
    assert old.source == SourceFacts(kind="volume", container="", path="", root="volume")
    assert old.problems == Problems(count=0, listed=())
    assert (old.inventory, old.downtime_seconds, old.hooks, old.dump, old.purpose) == (
        None,
        None,
        (),
        None,
        "",
    )


def test_what_is_written_is_read_again() -> None:
    """Every field survives, names that are no text included; the text is ASCII and has every key."""
    manifest = full()
    text = manifest.to_json()
    assert text.isascii()
    assert parse_manifest(text) == manifest
    assert parse_manifest(parse_manifest(OLD).to_json()) == parse_manifest(OLD)
    assert set(json.loads(parse_manifest(OLD).to_json())) == set(json.loads(text))


def test_every_flipped_bit_and_every_cut_is_noticed() -> None:
    """No bit of a manifest can change unseen, nor its end go missing: not even the last line feed."""
    data = full().to_json().encode("ascii")
    for place in range(len(data)):
        for bit in range(8):
            bad = data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]
            with pytest.raises(ValueError):  # a UnicodeDecodeError is one too
                parse_manifest(bad.decode())
        with pytest.raises(ValueError):
            parse_manifest(data[:place].decode())
    with pytest.raises(ValueError):
        parse_manifest(data.decode() + " ")


def changed(**changes: object) -> str:
    """The full manifest with other keys, and the right checksum."""
    found = json.loads(full().to_json())
    del found["format"], found["checksum"]
    return write_object({**found, **changes})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("outcome", "ok"),
        ("source", {"kind": "image", "container": "", "path": "", "root": ""}),
        ("source", []),
        ("problems", {"count": 0, "listed": [{"path": "a", "reason": "changed"}]}),
        ("problems", {"count": 1, "listed": [{"path": "a"}]}),
        ("inventory", {"count": 1, "file": "../x", "sha256": "0" * 64}),
        ("downtime_seconds", "long"),
        ("hooks", [5]),
        ("dump", {"preset": "x", "command": "y", "bytes": -1, "sha256": "0" * 64}),
        ("purpose", None),
    ],
)
def test_younger_keys_are_not_believed_blindly(key: str, value: object) -> None:
    """What is optional must still be right when it is there, and an outcome must fit the problems."""
    with pytest.raises(ValueError, match=r"“|lists more"):
        parse_manifest(changed(**{key: value}))


def test_an_unknown_key_is_let_by() -> None:
    """A later version may add keys without making older bots call its backups damaged."""
    assert parse_manifest(changed(more={"x": 1})) == full()


def test_long_lists_and_long_outputs_are_cut() -> None:
    """At most a thousand problems are listed, all are counted; of a hook's output the end is kept."""
    listed = tuple(Problem(path=str(number), reason=Reason.CHANGED) for number in range(1500))
    problems = Problems(count=1500, listed=listed)
    assert (problems.count, problems.listed) == (1500, listed[:1000])
    hook = HookFacts(container="c", which="pre", command="x", exit_code=1, output="a" * 5000 + "because")
    assert len(hook.output) == 2000
    assert hook.output.endswith("because")


def test_the_largest_list_of_problems_can_be_published(tmp_path: Path) -> None:
    """A thousand of the longest names, none of them text, still make a manifest that is read again."""
    archive = Archive(tmp_path / "archive", Clock())
    listed = tuple(Problem(path="\udcff" * 4096, reason=Reason.VANISHED) for _ in range(1000))
    with archive.begin("local", "pgdata", "r1") as draft:
        fill(draft, small_tar())
        problems = Problems(count=5000, listed=listed)
        backup = draft.publish(manifest_of(draft.seal(), outcome=OUTCOME_PARTIAL, problems=problems))
    assert archive.backups() == (backup,)
    assert not backup.is_ok
    assert archive.report().partial == 1


@pytest.mark.parametrize("changes", [{"outcome": "fine"}, {"note": "x" * (33 << 20)}], ids=["word", "size"])
def test_a_manifest_that_could_not_be_read_again_is_not_published(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    """Better no backup than one that would be called damaged."""
    archive = Archive(tmp_path / "archive", Clock())
    with archive.begin("local", "pgdata", "r1") as draft:
        fill(draft, small_tar())
        with pytest.raises(ArchiveError, match="could not be read again"):
            draft.publish(manifest_of(draft.seal(), **changes))
    assert archive.backups() == ()


def test_an_old_backup_is_listed_proven_and_read(tmp_path: Path) -> None:
    """A backup with a manifest of the old kind needs nothing new."""
    archive = Archive(tmp_path / "archive", Clock())
    backup = back_up(archive)
    found = json.loads(backup.files.manifest.read_text())
    backup.files.manifest.write_text(
        json.dumps({key: found[key] for key in json.loads(OLD)}, indent=2) + "\n"
    )
    (old,) = archive.backups()
    archive.prove(old, lambda _: None)
    assert old.is_ok
    assert list(archive.items(old)) == []
    assert b"".join(archive.open(old)) == small_tar()
