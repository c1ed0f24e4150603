"""What every engine must do with programs in containers, and with checks. It must not know which engine it has."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from bot.engine import RUN_LABEL, Check, Container, Engine
from bot.errors import BotError, Conflict, EngineError, NotFound, StreamCut
from bot.reasons import Reason
from tests.contracts.bench import Bench, Fixtures, NewName

MINUTE = timedelta(minutes=1)
SOON = timedelta(seconds=1)


class ExecutionContract(Fixtures):
    """The contract's part on `execute` and `run_check`."""

    @pytest.fixture
    def worker(self, engine: Engine, bench: Bench, new_name: NewName) -> Iterator[Container]:
        """A running container of the company's."""
        name = new_name("worker")
        bench.run(name)
        yield engine.container(name)
        bench.remove(name)

    def test_a_program_gives_output_errors_and_code(
        self, engine: Engine, bench: Bench, worker: Container
    ) -> None:
        """Both outputs come apart, byte for byte, and the exit code is the program's own."""
        out = bytes(range(256)) * 8
        words = bench.words(out, "it was\nhard\n", 3)
        with engine.execute(worker, words, limit=MINUTE) as program:
            assert b"".join(iter(lambda: program.read(100), b"")) == out
            assert program.finish() == 3
            assert program.errors == "it was\nhard\n"
            assert program.read(1) == b""
            assert program.finish() == 3

    def test_a_program_that_says_nothing(self, engine: Engine, bench: Bench, worker: Container) -> None:
        """No output and exit code 0 are told as such, also without reading first."""
        with engine.execute(worker, bench.words(), limit=MINUTE) as program:
            assert program.finish() == 0
            assert program.errors == ""

    def test_finish_reads_the_rest(self, engine: Engine, bench: Bench, worker: Container) -> None:
        """Output that nobody reads does not keep the exit code back."""
        with engine.execute(worker, bench.words(b"x" * 3000, "", 7), limit=MINUTE) as program:
            assert program.read(10)
            assert program.finish() == 7

    def test_a_program_that_takes_too_long(self, engine: Engine, bench: Bench, worker: Container) -> None:
        """What it wrote is given; then, when its limit is over, reads raise the reason `stalled`."""
        began = time.monotonic()
        with engine.execute(worker, bench.words(b"begun", "", None), limit=SOON) as program:
            assert program.read(100) == b"begun"
            for _ in range(2):
                with pytest.raises(EngineError) as caught:
                    program.read(100)
                assert caught.value.reason is Reason.STALLED
        assert time.monotonic() - began < 15
        assert engine.container(worker.name) == worker

    def test_a_waiting_read_is_aborted(self, engine: Engine, bench: Bench, worker: Container) -> None:
        """An abort from another thread ends a read that waits, at once, and every later one."""
        with engine.execute(worker, bench.words(b"begun", "", None), limit=MINUTE) as program:
            assert program.read(100) == b"begun"
            began = time.monotonic()
            timer = threading.Timer(0.2, program.abort)
            timer.start()
            for _ in range(2):
                with pytest.raises(StreamCut):
                    program.read(100)
            timer.join()
            program.abort()
        assert time.monotonic() - began < 15

    def test_an_error_within_passes_unchanged(self, engine: Engine, bench: Bench, worker: Container) -> None:
        """What is raised inside the `with` comes out, although the program still had to be killed."""
        error = OSError(28, "No space left on device")
        words = bench.words(b"begun", "", None)
        with (
            pytest.raises(OSError, match="No space left") as caught,
            engine.execute(worker, words, limit=MINUTE),
        ):
            raise error
        assert caught.value is error

    def test_only_a_running_container_executes(self, engine: Engine, bench: Bench, worker: Container) -> None:
        """Paused, stopped, in another life or gone: a conflict, and nothing runs."""

        def refused(container: Container) -> None:
            with pytest.raises(Conflict), engine.execute(container, bench.words(), limit=MINUTE):
                pass

        engine.pause(worker)
        refused(worker)
        engine.unpause(worker)
        bench.restart(worker.name)
        refused(worker)
        now = engine.container(worker.name)
        engine.stop(now, 0)
        refused(now)

    def test_a_missing_program_is_not_a_success(self, engine: Engine, worker: Container) -> None:
        """A program that the container does not have raises, or ends with another code than 0."""
        try:
            with engine.execute(worker, ["/no/such/program"], limit=MINUTE) as program:
                code = program.finish()
        except BotError:
            return
        assert code != 0

    def test_a_check_sees_the_volume(
        self, engine: Engine, bench: Bench, filled: str, new_name: NewName
    ) -> None:
        """A check's exit code and output are told; its container stays as a helper until it is removed."""
        name = new_name("check")
        try:
            checked = engine.run_check(name, bench.check("a.txt", 4), filled, run_id="run-5")
            assert (checked.exit_code, checked.output) == (4, "alpha")
            (found,) = [one for one in engine.helpers() if one.name == name]
            assert (found.state, found.labels[RUN_LABEL]) == ("exited", "run-5")
            assert engine.users_of(filled) == ()
            with pytest.raises(Conflict):
                engine.run_check(name, bench.check("a.txt"), filled, run_id="run-5")
        finally:
            engine.remove_helper(name)
        assert name not in {one.name for one in engine.helpers()}

    def test_a_check_that_takes_too_long(
        self, engine: Engine, bench: Bench, filled: str, new_name: NewName
    ) -> None:
        """It is stopped at its limit, which is an error and no verdict."""
        name = new_name("check")
        check = bench.check("a.txt", None)
        check = Check(image=check.image, words=check.words, limit=SOON)
        began = time.monotonic()
        try:
            with pytest.raises(EngineError) as caught:
                engine.run_check(name, check, filled, run_id="r")
            assert caught.value.reason is Reason.STALLED
            assert time.monotonic() - began < 30
            assert [one.state for one in engine.helpers() if one.name == name] == ["exited"]
        finally:
            engine.remove_helper(name)

    def test_a_check_without_its_image(self, engine: Engine, filled: str, new_name: NewName) -> None:
        """An image that is not on the host is NotFound: nothing is pulled, no container stays."""
        name = new_name("check")
        check = Check(image="shipkeeper-no-such-image:1", words=("true",), limit=MINUTE)
        with pytest.raises(NotFound, match="shipkeeper-no-such-image"):
            engine.run_check(name, check, filled, run_id="r")
        assert name not in {one.name for one in engine.helpers()}

    def test_a_check_on_a_missing_volume_makes_none(
        self, engine: Engine, bench: Bench, new_name: NewName
    ) -> None:
        """An unknown volume is NotFound and does not come into being."""
        missing = new_name("missing")
        with pytest.raises(NotFound):
            engine.run_check(new_name("check"), bench.check("a.txt"), missing, run_id="r")
        assert missing not in {volume.name for volume in engine.volumes()}
