"""The shell lines before and after a backup: which, where, for how long, and that the one after always runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.errors import Cancelled, Conflict, EngineError, LostHold, NotStarted, StreamCut
from bot.operations.hooks import KEPT_CHARACTERS, hooked, run_undo
from bot.operations.quiesce import QuiescePolicy
from bot.reasons import Reason
from tests.support.fake_run import FakeRun, Recorder

POLICY = QuiescePolicy(hook=timedelta(seconds=7))
BOTH = {"shipkeeper.backup.pre": "freeze", "shipkeeper.backup.post": "thaw"}
Shell = Callable[[str], tuple[bytes, str, int | None]]


def well(line: str) -> tuple[bytes, str, int | None]:
    """Every line writes its own name and succeeds."""
    return line.encode(), "", 0


@pytest.fixture
def engine() -> Recorder:
    return Recorder()


@pytest.fixture
def run(engine: Recorder) -> FakeRun:
    return FakeRun(engine)


def add(engine: Recorder, name: str, shell: Shell = well, *, state: str = "running", **labels: str) -> None:
    """A container with both hooks and what it does with a line; `post=""` takes a label away."""
    given = {**BOTH, **{f"shipkeeper.backup.{key}": value for key, value in labels.items()}}
    engine.add_container(name, labels=given, state=state)

    def program(words: Sequence[str]) -> tuple[bytes, str, int | None]:
        assert tuple(words[:-1]) == ("/bin/sh", "-c")
        engine.log.append(f"{words[-1]} in {name}")
        return shell(words[-1])

    engine.programs[name] = program


def users(engine: Recorder, *names: str) -> list[object]:
    return [engine.container(name) for name in names]


def hold(engine: Recorder, run: FakeRun, *names: str, policy: QuiescePolicy = POLICY, **how: object):  # type: ignore[no-untyped-def]
    return hooked(engine, run, users(engine, *names), policy, **how)  # type: ignore[arg-type]


def test_every_pre_runs_before_the_body_and_every_post_behind_it(engine: Recorder, run: FakeRun) -> None:
    """Post is written down before pre runs; posts run in reverse order; only running containers have any."""
    for name in ("a", "b"):
        add(engine, name)
    add(engine, "old", state="exited")
    engine.add_container("plain")
    with hold(engine, run, "a", "b", "old", "plain") as ran:
        engine.log.append("body")
        assert run.journal == ["run_hook", "run_hook"]
    assert engine.log == [
        "journal run_hook", "freeze in a", "journal run_hook", "freeze in b", "body", "thaw in b", "thaw in a",
    ]  # fmt: skip
    assert [(one.container, one.which, one.exit_code, one.output) for one in ran] == [
        ("a", "pre", 0, "freeze"), ("b", "pre", 0, "freeze"), ("b", "post", 0, "thaw"), ("a", "post", 0, "thaw"),
    ]  # fmt: skip
    assert run.journal == []
    assert {one.limit for one in engine.executed} == {POLICY.hook}
    assert {one.user for one in engine.executed} == {""}


def test_user_and_time_limit_come_from_labels(engine: Recorder, run: FakeRun) -> None:
    """Both hooks of a container run as its label's user and within its label's seconds."""
    add(engine, "db", user="postgres", timeout=" 42 ")
    with hold(engine, run, "db"):
        ((_, arguments),) = run.entries
    assert [(one.user, one.limit) for one in engine.executed] == [("postgres", timedelta(seconds=42))] * 2
    assert (arguments["user"], arguments["seconds"], arguments["command"]) == ("postgres", "42", "thaw")


@pytest.mark.parametrize("text", ["soon", "0", "-1", "1.5", "999999", "³", ""])
def test_a_time_limit_that_is_no_number_is_refused_before_anything_runs(
    engine: Recorder, run: FakeRun, text: str
) -> None:
    """The sentence names the container and the label, and no other container's hook has run."""
    add(engine, "a")
    add(engine, "b", timeout=text)
    with (
        pytest.raises(Conflict, match=r"“b” has the label shipkeeper\.backup\.timeout"),
        hold(engine, run, "a", "b"),
    ):
        pytest.fail("the body must not run")
    assert engine.log == []


def test_a_failing_pre_keeps_the_body_from_running(engine: Recorder, run: FakeRun) -> None:
    """The error says what the line wrote; posts run of all that began, none of those that did not."""
    add(engine, "a")
    add(engine, "b", lambda line: (b"out", "no lock\n", 3) if line == "freeze" else well(line))
    add(engine, "c")
    with (
        pytest.raises(
            EngineError,
            match=r"shipkeeper\.backup\.pre of the container “b” ended with exit code 3: out no lock",
        ) as raised,
        hold(engine, run, "a", "b", "c"),
    ):
        pytest.fail("the body must not run")
    assert raised.value.reason is Reason.HOOK
    assert [line for line in engine.log if " in " in line] == [
        "freeze in a", "freeze in b", "thaw in b", "thaw in a",
    ]  # fmt: skip
    assert run.journal == []


def test_posts_run_whatever_became_of_the_body(engine: Recorder, run: FakeRun) -> None:
    """After an error of the body, of a cancel too, posts run, and a failing one does not hide the cause."""

    def shell(line: str) -> tuple[bytes, str, int | None]:
        if line == "thaw":
            run.cancel()
            return b"", "sad", 1
        return well(line)

    add(engine, "a", shell)
    with pytest.raises(Cancelled), hold(engine, run, "a") as ran:
        raise Cancelled("The run was cancelled.")
    assert [(one.which, one.exit_code) for one in ran] == [("pre", 0), ("post", 1)]
    assert run.journal == []


def test_a_failing_post_spoils_good_work(engine: Recorder, run: FakeRun) -> None:
    """It is told, after the other posts, and is not run a second time."""
    add(engine, "a")
    add(engine, "b", lambda line: (b"", "sad", 1) if line == "thaw" else well(line))
    with (
        pytest.raises(EngineError, match=r"shipkeeper\.backup\.post of the container “b”"),
        hold(engine, run, "a", "b") as ran,
    ):
        pass
    assert [(one.container, one.exit_code) for one in ran[2:]] == [("b", 1), ("a", 0)]
    assert engine.log.count("thaw in b") == 1
    assert run.journal == []


def test_a_hook_that_takes_too_long_fails(engine: Recorder, run: FakeRun) -> None:
    """It is ended at its limit, which the error states; its post runs."""
    add(engine, "db", lambda line: (b"so far", "", None) if line == "freeze" else well(line))
    policy = replace(POLICY, hook=timedelta(seconds=0.5))
    with (
        pytest.raises(
            EngineError, match=r"did not end by itself: so far It took longer than 0\.5 s"
        ) as raised,
        hold(engine, run, "db", policy=policy),
    ):
        pytest.fail("the body must not run")
    assert raised.value.reason is Reason.HOOK
    assert [one.words[-1] for one in engine.killed] == ["freeze"]
    assert "thaw in db" in engine.log


def test_a_post_that_takes_too_long_has_been_run(engine: Recorder, run: FakeRun) -> None:
    """Its undo is struck off: running it again would not make it faster."""
    add(engine, "db", lambda line: (b"", "", None) if line == "thaw" else well(line))
    policy = replace(POLICY, hook=timedelta(seconds=0.05))
    with (
        pytest.raises(EngineError, match="did not end by itself"),
        hold(engine, run, "db", policy=policy) as ran,
    ):
        pass
    assert (ran[-1].which, ran[-1].exit_code) == ("post", None)
    assert engine.log.count("thaw in db") == 1
    assert run.journal == []


def test_a_cancel_ends_a_hook_that_runs(engine: Recorder, run: FakeRun) -> None:
    """A pre that never ends does not hold up a cancel, and its post still runs."""
    run_it = threading.Event()

    def shell(line: str) -> tuple[bytes, str, int | None]:
        if line == "freeze":
            run_it.set()
            run.cancel()
            return b"", "", None
        return well(line)

    add(engine, "db", shell)
    with pytest.raises(Cancelled), hold(engine, run, "db"):
        pytest.fail("the body must not run")
    assert run_it.is_set()
    assert [one.words[-1] for one in engine.killed] == ["freeze"]
    assert "thaw in db" in engine.log


def test_a_hook_whose_stream_breaks_is_an_error_of_the_engine(engine: Recorder, run: FakeRun) -> None:
    """Nobody knows whether it ended: the backup does not go on, and the cause is not called a hook's failure."""
    add(engine, "db", lambda line: (b"frozen", "", 0) if line == "freeze" else well(line))
    engine.faults.execution_lost_at_byte = 3
    with pytest.raises(EngineError, match="Nobody can know") as raised, hold(engine, run, "db"):
        pytest.fail("the body must not run")
    assert raised.value.reason is not Reason.HOOK


def test_only_the_end_of_long_output_is_kept(engine: Recorder, run: FakeRun) -> None:
    """Standard output and standard error together, as text, whatever their bytes are."""
    add(engine, "db", lambda _: (b"\xff" + b"x" * 9000 + b"end", "complaint", 0))
    with hold(engine, run, "db") as ran:
        pass
    assert len(ran[0].output) == KEPT_CHARACTERS
    assert ran[0].output.endswith("xend\ncomplaint")


def test_whoever_lost_the_run_runs_no_post(engine: Recorder, run: FakeRun) -> None:
    """It stays in the journal, and the next holder runs it once."""
    add(engine, "db")
    with pytest.raises(LostHold), hold(engine, run, "db"):
        raise LostHold
    assert "thaw in db" not in engine.log
    run.recover()
    run_undo(engine, {**_arguments(engine), "started_at": "another"})
    assert engine.log.count("thaw in db") == 1


def test_a_post_that_docker_does_not_take_stays_in_the_journal(engine: Recorder, run: FakeRun) -> None:
    """The work is not called done, and the post is run as soon as Docker answers."""
    add(engine, "db")
    with pytest.raises(EngineError, match="mute"), hold(engine, run, "db"):
        engine.faults.failing = {"execute": EngineError("Docker is mute.")}
    assert run.journal == ["run_hook"]
    engine.faults.failing = {}
    run.recover()
    assert engine.log.count("thaw in db") == 1


def test_a_post_that_can_never_be_started_has_failed(engine: Recorder, run: FakeRun) -> None:
    """A container without a shell, or without the label's user: it is told like a line that fails, and nobody waits."""
    add(engine, "db")
    with (
        pytest.raises(EngineError, match=r"post.*exit code 126: There is no /bin/sh") as caught,
        hold(engine, run, "db") as ran,
    ):
        engine.faults.failing = {"execute": NotStarted("There is no /bin/sh. Nothing was run.")}
    assert caught.value.reason is Reason.HOOK
    assert [one.which for one in ran] == ["pre", "post"]
    assert run.journal == []


def test_after_a_crash_a_post_that_can_never_be_started_is_only_logged(
    engine: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    """It would hold the volume and its containers for good."""
    add(engine, "db")
    engine.faults.failing = {"execute": NotStarted("There is no /bin/sh. Nothing was run.")}
    run_undo(engine, _arguments(engine))
    assert "There is no /bin/sh" in caplog.text


def test_a_container_that_is_gone_or_asleep_needs_no_post(engine: Recorder, run: FakeRun) -> None:
    """Nothing to thaw: no error, no entry left."""
    for name in ("gone", "ended"):
        add(engine, name)
    with hold(engine, run, "gone", "ended") as ran:
        engine.remove_container("gone")
        engine.end_container("ended")
    assert [one.which for one in ran] == ["pre", "pre"]
    assert run.journal == []


def test_a_container_that_we_stopped_and_started_gets_its_post(engine: Recorder, run: FakeRun) -> None:
    """Its new life is our own doing: post runs at once, and also after a crash."""
    add(engine, "db")
    db = engine.container("db")
    with hold(engine, run, "db") as ran:
        engine.restart_container("db")
    assert ran[-1].which == "post"
    with pytest.raises(LostHold), hold(engine, run, "db", stopped=[db.id]):
        raise LostHold
    engine.restart_container("db")
    run.recover()
    assert engine.log.count("thaw in db") == 2


def _arguments(engine: Recorder, **changes: str) -> dict[str, str]:
    db = engine.container("db")
    return {
        "container": db.id, "started_at": db.started_at, "name": "db", "command": "thaw", "user": "app",
        "seconds": "9", **changes,
    }  # fmt: skip


def test_after_a_crash_post_runs_in_the_same_life_only(engine: Recorder) -> None:
    """As the user and within the time that were written down; a container that was restarted or ended is left."""
    add(engine, "db")
    run_undo(engine, _arguments(engine))
    (done,) = engine.executed
    assert (done.words[-1], done.user, done.limit) == ("thaw", "app", timedelta(seconds=9))
    run_undo(engine, _arguments(engine, started_at="1999"))
    run_undo(engine, _arguments(engine, container="gone"))
    written = _arguments(engine)
    engine.end_container("db")
    run_undo(engine, written)
    assert len(engine.executed) == 1


def test_after_a_crash_a_failing_post_is_only_logged(
    engine: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    """It was run; trying again at every start would not help."""
    add(engine, "db", lambda _: (b"", "sad", 4))
    run_undo(engine, _arguments(engine))
    assert "sad" in caplog.text


def test_after_a_crash_a_sleeping_container_is_tried_again_later(engine: Recorder) -> None:
    """Post cannot run in a paused container, so its entry has to stay open."""
    add(engine, "db")
    written = _arguments(engine)
    engine.pause(engine.container("db"))
    with pytest.raises(Conflict, match="paused"):
        run_undo(engine, written)


def test_a_cut_stream_without_a_cancel_stays_a_cut_stream(engine: Recorder, run: FakeRun) -> None:
    """Only a run that was to end turns it into a cancel."""

    def shell(line: str) -> tuple[bytes, str, int | None]:
        engine.faults.down = line == "freeze"
        return well(line)

    add(engine, "db", shell)
    with pytest.raises(StreamCut), hold(engine, run, "db"):
        pytest.fail("the body must not run")
    assert run.journal == ["run_hook"]
