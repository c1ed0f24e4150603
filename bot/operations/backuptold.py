"""What came of a backup, in a sentence and in facts, for whoever asked for it.

Must not know how it was made: it speaks from the manifest, so it says the same after a crash.
"""

from __future__ import annotations

from bot.entry import printable
from bot.language import later, say
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
            Button(label="Verify", line=say("verify {run_id}", run_id=manifest.run_id)),
            Button(label=say("Restore a copy"), line=say("restore {run_id}", run_id=manifest.run_id)),
        ),
    )


def source_words(manifest: Manifest) -> str:
    """What it is of: `volume pgdata`, `web:/srv`, `the dump of db for volume pgdata`."""
    kind, name = manifest.source.kind, printable(manifest.volume.name)
    of = name if ":" in name else say("volume {name}", name=name)
    return (
        say("the dump of {container} for {of}", container=manifest.source.container, of=of)
        if kind == "dump"
        else of
    )


def _proven(manifest: Manifest) -> str:
    if manifest.source.kind == "dump":
        how = say("its program ended well, it is whole to its end")
    elif manifest.inventory is None:
        how = say("it was read twice and was the same, whole to its end, every entry hashed")
    else:
        how = say(
            "the archive is whole to its end, every entry is hashed and is what was there before and after"
        )
    words = source_words(manifest)
    if manifest.source.kind != "path":  # a path begins with a container's name, which is spelt as it is
        words = words[0].upper() + words[1:]
    return say(
        "{words} is backed up and proven: {how}, and the stored bytes were read back.", words=words, how=how
    )


def _partial(manifest: Manifest) -> str:
    problems = manifest.problems
    named = "; ".join(_problem(one) for one in problems.listed[:_NAMED])
    more = say("; and {count} more", count=problems.count - _NAMED) if problems.count > _NAMED else ""
    files = say("1 file is") if problems.count == 1 else say("{count} files are", count=problems.count)
    still = (
        ""
        if manifest.quiesce.containers
        else say(" with --quiesce pause or stop, so that nobody writes meanwhile")
    )
    return say(
        "The backup of {manifest} is partial: {files} not in it as it should be ({named}{more}). "
        "What it holds is whole and was read back, but it counts neither for retention nor for drills, and replaces "
        "nothing. Send the command again{still}.",
        manifest=source_words(manifest),
        files=files,
        named=named,
        more=more,
        still=still,
    )


def _problem(problem: Problem) -> str:
    return f"“{printable(problem.path)}” {_SHORT.get(problem.reason, problem.reason)}"


_SHORT: dict[str, str] = {
    Reason.VANISHED: "vanished",
    Reason.APPEARED: "appeared",
    Reason.CHANGED: later("was changed"),
    Reason.MISSING: later("was left out by Docker"),
    Reason.UNEXPECTED: later("should not be there"),
}


def _hook(hook: HookFacts) -> str:
    how = (
        say("did not end by itself")
        if hook.exit_code is None
        else say("ended with exit code {exit_code}", exit_code=hook.exit_code)
    )
    said = " ".join(hook.output.split())[-_SAID_CHARACTERS:]
    return say(
        "The hook {which} of {container} {how}{extra}. Look at the container.",
        which=hook.which,
        container=hook.container,
        how=how,
        extra=f": {said}" if said else "",
    )


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
