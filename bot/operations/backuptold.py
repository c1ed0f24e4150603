"""What came of a backup, in a sentence and in facts, for whoever asked for it.

Must not know how it was made: it speaks from the manifest, so it says the same after a crash.
"""

from __future__ import annotations

from bot.entry import printable
from bot.language import later, say, say_count
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
            Button(label=say("Verify"), line=f"verify {manifest.run_id}"),
            Button(label=say("Restore a copy"), line=f"restore {manifest.run_id}"),
        ),
    )


def source_words(manifest: Manifest) -> str:
    """What it is of: `volume pgdata`, `web:/srv`, `the dump of db for volume pgdata`."""
    name = printable(manifest.volume.name)
    source = name if ":" in name else say("volume {name}", name=name)
    if manifest.source.kind == "dump":
        return say("the dump of {container} for {source}", container=manifest.source.container, source=source)
    return source


def _first_words(manifest: Manifest) -> str:
    """The same where a sentence begins; a path begins with a container's name, which is spelt as it is."""
    name = printable(manifest.volume.name)
    if manifest.source.kind == "path":
        return name
    if manifest.source.kind != "dump":
        return say("Volume {volume}", volume=name)
    source = name if ":" in name else say("volume {name}", name=name)
    return say("The dump of {container} for {source}", container=manifest.source.container, source=source)


def _proven(manifest: Manifest) -> str:
    if manifest.source.kind == "dump":
        how = say("its program ended well, it is whole to its end")
    elif manifest.inventory is None:
        how = say("it was read twice and was the same, whole to its end, every entry hashed")
    else:
        how = say(
            "the archive is whole to its end, every entry is hashed and is what was there before and after"
        )
    proven = say(
        "{source} is backed up and proven: {how}, and the stored bytes were read back.",
        source=_first_words(manifest),
        how=how,
    )
    if manifest.source.kind != "dump" or not manifest.lost:
        return proven
    return " ".join((proven, say("It does not keep {lost}.", lost="; ".join(map(say, manifest.lost)))))


def _partial(manifest: Manifest) -> str:
    problems = manifest.problems
    named = [_problem(one) for one in problems.listed[:_NAMED]]
    if problems.count > _NAMED:
        named.append(say("and {count} more", count=problems.count - _NAMED))
    partial = say_count(
        "The backup of {source} is partial: 1 file is not in it as it should be ({problems}).",
        "The backup of {source} is partial: {number} files are not in it as it should be ({problems}).",
        problems.count,
        source=source_words(manifest),
        problems="; ".join(named),
    )
    held = say(
        "What it holds is whole and was read back, but it counts neither for retention nor for drills, and replaces "
        "nothing."
    )
    again = (
        say("Send the command again.")
        if manifest.quiesce.containers
        else say("Send the command again with --quiesce pause or stop, so that nobody writes meanwhile.")
    )
    return " ".join((partial, held, again))


def _problem(problem: Problem) -> str:
    path = printable(problem.path)
    told = _PROBLEMS.get(problem.reason)
    return say(told, path=path) if told else f"“{path}” {problem.reason}"


_PROBLEMS: dict[str, str] = {
    Reason.VANISHED: later("“{path}” vanished"),
    Reason.APPEARED: later("“{path}” appeared"),
    Reason.CHANGED: later("“{path}” was changed"),
    Reason.MISSING: later("“{path}” was left out by Docker"),
    Reason.UNEXPECTED: later("“{path}” should not be there"),
}


def _hook(hook: HookFacts) -> str:
    output = " ".join(hook.output.split())[-_SAID_CHARACTERS:]
    if hook.exit_code is None:
        ended = say(
            "The hook {which} of {container} did not end by itself",
            which=hook.which,
            container=hook.container,
        )
    else:
        ended = say(
            "The hook {which} of {container} ended with exit code {exit_code}",
            which=hook.which,
            container=hook.container,
            exit_code=hook.exit_code,
        )
    return " ".join((f"{ended}: {output}." if output else f"{ended}.", say("Look at the container.")))


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
