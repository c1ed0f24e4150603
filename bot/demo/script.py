"""The conversation that `shipkeeper demo --script` plays, and how each of its steps is proven.

It types and presses like a person, and believes nothing but the messages, the archive and Docker itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from bot.app import App
from bot.engine import RUN_LABEL
from bot.engine.sandbox import VOLUME, Sandbox
from bot.model import Status
from bot.playground import Message, Playground

_PATIENCE = 60.0


class Failed(Exception):
    """A step did not happen as it should."""


def play(playground: Playground, app: App, sandbox: Sandbox) -> list[str]:
    """Play it; what was proven beside the conversation. Raises Failed or TimeoutError."""
    proofs = list(_conversation(playground, app, sandbox))
    chain = app.services.audit.check_chain()
    _must(chain.broken_at is None, "the audit log does not fit its seals")
    proofs.append(f"the audit log's {chain.lines} lines fit their seals")
    ours = {run.id for run in app.services.runs.newest(limit=100)}
    helpers = app.services.engine(None).helpers()
    left = [helper.name for helper in helpers if helper.labels.get(RUN_LABEL) in ours]
    _must(not left, f"helper containers are left: {left}")
    proofs.append("no helper container is left")
    return proofs


def _conversation(playground: Playground, app: App, sandbox: Sandbox) -> Iterator[str]:
    playground.slash("/docker", "help")
    _answer(playground, "What you may use here")

    delivery = playground.slash("/backup", f"{VOLUME} --quiesce pause")
    done = _answer(playground, f"Volume {VOLUME} is backed up and proven")
    _must(delivery.acked_at is not None, "Slack was never told that /backup arrived")
    backup = app.services.archive.backups(volume=VOLUME)[0]
    yield f"{backup.files.tar.name} is in the archive, {backup.manifest.entries.count} entries, all hashed"
    if sandbox.has_container:
        _must(sandbox.container_state() == "running", "the container was not woken")
        yield "the container that was paused for it runs again"

    playground.press(done, "Verify")
    _answer(playground, "is whole: every stored byte and every entry")

    playground.slash("/restore", backup.manifest.run_id)
    asked = _answer(playground, "wants 1 more person")
    playground.press(asked, "Approve", user="U0BOB")
    _answer(playground, "and that is enough")
    yield "the restore waited for a second person, and began when Bob had approved it"
    _answer(playground, "read back and is the same, entry by entry")
    restored = f"{VOLUME}-restored-{backup.manifest.run_id}"
    app.services.engine(None).volume(restored)
    app.services.engine(None).remove_volume(restored)
    yield f"the restored volume {restored} was there, equal to the backup, and is removed again"

    playground.slash("/backup", VOLUME.replace("pg", "gp"))
    _answer(playground, f"Did you mean “{VOLUME}”")
    playground.slash("/backup", VOLUME, user="U0CAT")
    _answer(playground, "You may not use `backup`")
    playground.mention(f"audit --volume {VOLUME}")
    _answer(playground, "fit their seals")
    _must(_has_audit_line(app, backup.manifest.run_id), "the backup has no ending in the audit log")
    yield f"the audit log has the beginning and the ending of run {backup.manifest.run_id}"


def _answer(playground: Playground, words: str) -> Message:
    """Wait for a message of the bot's that says so."""

    def found() -> Message | None:
        said = [message for message in playground.world.messages() if message.user == "U0BOT"]
        return next((message for message in reversed(said) if words in _text(message)), None)

    try:
        message = playground.wait_for(found, timeout=_PATIENCE)
    except TimeoutError as error:
        raise Failed(f"within {_PATIENCE:.0f} s the bot did not say “{words}”") from error
    if message is None:
        raise Failed(f"the bot took back “{words}”")
    return message


def _text(message: Message) -> str:
    return f"{message.text} {message.blocks}"


def _has_audit_line(app: App, run_id: str) -> bool:
    kinds = {line.event.kind for line in app.services.audit.lines(limit=100, run_id=run_id)}
    return {"started", Status.SUCCEEDED.value} <= kinds


def _must(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise Failed(otherwise)
