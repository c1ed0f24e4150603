"""What came of a backup, in a sentence and in facts, for whoever asked for it.

Must not know how it was made: it speaks from the manifest, so it says the same after a crash.
"""

from __future__ import annotations

from bot.entry import printable
from bot.model import Button, Reply, Status, Value
from bot.operations.backup import Backed
from bot.reasons import Reason
from bot.stores.archive import Backup, HookFacts, Manifest, Problem

_NAMED = 10
_SAID_CHARACTERS = 300


def reply_of(backed: Backed) -> Reply:
    """PARTIAL when a file is not in it as it should be, or when something around it is not as it was."""
    backup = backed.backup
    manifest = backup.manifest
    failed = [hook for hook in manifest.hooks if hook.exit_code != 0]
    remarks = [*(_hook(hook) for hook in failed), *backed.notes]
    text = _proven(manifest) if backup.is_ok else _partial(manifest)
    return Reply(
        text=" ".join((text, *remarks)),
        status=Status.SUCCEEDED if backup.is_ok and not remarks else Status.PARTIAL,
        facts=_facts(backup, failed, backed.notes),
        buttons=(
            Button(label="Verify", line=f"verify {manifest.run_id}"),
            Button(label="Restore a copy", line=f"restore {manifest.run_id}"),
        ),
    )


def source_words(manifest: Manifest) -> str:
    """What it is of: `volume pgdata`, `web:/srv`, `the dump of db for volume pgdata`."""
    kind, name = manifest.source.kind, printable(manifest.volume.name)
    of = name if ":" in name else f"volume {name}"
    return f"the dump of {manifest.source.container} for {of}" if kind == "dump" else of


def _proven(manifest: Manifest) -> str:
    if manifest.source.kind == "dump":
        how = "its program ended well, it is whole to its end"
    elif manifest.inventory is None:
        how = "it was read twice and was the same, whole to its end, every entry hashed"
    else:
        how = "the archive is whole to its end, every entry is hashed and is what was there before and after"
    words = source_words(manifest)
    if manifest.source.kind != "path":  # a path begins with a container's name, which is spelt as it is
        words = words[0].upper() + words[1:]
    return f"{words} is backed up and proven: {how}, and the stored bytes were read back."


def _partial(manifest: Manifest) -> str:
    problems = manifest.problems
    named = "; ".join(_problem(one) for one in problems.listed[:_NAMED])
    more = f"; and {problems.count - _NAMED} more" if problems.count > _NAMED else ""
    files = "1 file is" if problems.count == 1 else f"{problems.count} files are"
    still = (
        ""
        if manifest.quiesce.containers
        else " with --quiesce pause or stop, so that nobody writes meanwhile"
    )
    return (
        f"The backup of {source_words(manifest)} is partial: {files} not in it as it should be ({named}{more}). "
        "What it holds is whole and was read back, but it counts neither for retention nor for drills, and replaces "
        f"nothing. Send the command again{still}."
    )


def _problem(problem: Problem) -> str:
    return f"“{printable(problem.path)}” {_SHORT.get(problem.reason, problem.reason)}"


_SHORT: dict[str, str] = {
    Reason.VANISHED: "vanished",
    Reason.APPEARED: "appeared",
    Reason.CHANGED: "was changed",
    Reason.MISSING: "was left out by Docker",
    Reason.UNEXPECTED: "should not be there",
}


def _hook(hook: HookFacts) -> str:
    how = "did not end by itself" if hook.exit_code is None else f"ended with exit code {hook.exit_code}"
    said = " ".join(hook.output.split())[-_SAID_CHARACTERS:]
    return f"The hook {hook.which} of {hook.container} {how}{f': {said}' if said else ''}. Look at the container."


def _facts(backup: Backup, failed: list[HookFacts], notes: tuple[str, ...]) -> dict[str, Value]:
    manifest = backup.manifest
    facts: dict[str, Value] = {
        "backup": backup.id,
        "volume": backup.volume,
        "host": backup.host,
        "entries": manifest.entries.count,
        "raw_bytes": manifest.raw.bytes,
        "stored_bytes": manifest.stored.bytes,
        "sha256": manifest.stored.sha256,
        "file": str(backup.files.tar),
        "manifest": str(backup.files.manifest),
        "not_kept": ", ".join(manifest.lost),
    }
    if manifest.downtime_seconds is not None:
        facts["downtime_seconds"] = round(manifest.downtime_seconds, 3)
    if manifest.dump is not None:
        facts["dump"] = manifest.dump.command
    if not backup.is_ok:
        facts["problems"] = manifest.problems.count
    reason = _reason(manifest, failed, notes)
    return facts if reason is None else {**facts, "reason": str(reason)}


def _reason(manifest: Manifest, failed: list[HookFacts], notes: tuple[str, ...]) -> Reason | None:
    """The commonest of its problems; where there is none, what happened around it."""
    codes = [problem.reason for problem in manifest.problems.listed]
    if codes:
        return Reason(max(sorted(set(codes)), key=codes.count))
    if failed:
        return Reason.HOOK
    return Reason.UNHEALTHY if notes else None
