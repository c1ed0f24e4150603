"""What every engine must tell of what it has. It must not know which engine it has."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from bot.engine import Engine, Surroundings
from bot.errors import EngineError
from bot.reasons import Reason
from tests.contracts.bench import Bench, Fixtures, NewName

MINUTE = timedelta(minutes=1)


class InventoryContract(Fixtures):
    """The contract's part on looking around."""

    def test_containers_are_listed_as_they_are(
        self, engine: Engine, bench: Bench, filled: str, empty: str, new_name: NewName
    ) -> None:
        """In any state, sorted, with image and volumes, and without our helpers; a look tells since when."""
        running, ended, helper = (new_name(word) for word in ("b-running", "a-ended", "helper"))
        bench.run(running, filled, empty)
        bench.run(ended)
        engine.create_helper(helper, filled, run_id="r", read_only=True)
        try:
            engine.stop(engine.container(ended), 0)
            listed = {one.name: one for one in engine.list_containers()}
            assert list(listed) == sorted(listed)
            assert helper not in listed
            assert (listed[running].state, listed[ended].state) == ("running", "exited")
            assert listed[running].volumes == tuple(sorted((filled, empty)))
            assert listed[running].image == engine.container(running).image
            assert listed[running].id == engine.container(running).id
            up, over = (engine.condition(listed[name].id) for name in (running, ended))
            assert up is not None
            assert over is not None
            assert (up.state, up.health, up.exit_code) == ("running", "", None)
            assert (over.state, over.exit_code is None) == ("exited", False)
            assert listed[running].created_at <= up.since + timedelta(seconds=1)
            assert up.since.tzinfo is not None
            assert up.since <= over.since <= datetime.now(UTC) + MINUTE
        finally:
            engine.remove_helper(helper)
            for name in (running, ended):
                bench.remove(name)
        assert engine.condition(listed[running].id) is None

    def test_sizes_of_volumes(self, engine: Engine, filled: str, empty: str) -> None:
        """Bytes of every volume that the engine can measure; an empty one takes less than a filled one."""
        sizes = engine.volume_sizes(MINUTE)
        assert sizes[filled] > sizes[empty] >= 0
        assert sizes[filled] >= 5 + 102400

    def test_a_host_at_a_glance(self, engine: Engine, filled: str) -> None:
        """Versions and counts, and an address that nobody has to be asked for."""
        info, survey = engine.info(), engine.survey(MINUTE)
        assert (survey.version, survey.api_version) == (info.version, info.api_version)
        assert survey.volumes >= 1
        assert filled in {volume.name for volume in engine.volumes()}
        assert survey.containers >= survey.running >= 0
        assert engine.address == info.address

    def test_a_volume_tells_when_it_was_made(self, engine: Engine, empty: str) -> None:
        """The same text as long as nothing is done to it, alone and in the list."""
        made_at = engine.volume(empty).created_at
        assert made_at
        assert [one.created_at for one in engine.volumes() if one.name == empty] == [made_at]

    def test_a_program_hears_and_is_heard(self, engine: Engine, bench: Bench, new_name: NewName) -> None:
        """All that a program complains of is heard as it comes, however much that is."""
        name = new_name("heard")
        bench.run(name)
        heard: list[bytes] = []
        errors = "complaint\n" * 1000
        try:
            around = Surroundings(environment={"WORD": "given"}, on_errors=heard.append)
            container = engine.container(name)
            with engine.execute(
                container, bench.words(b"out", errors, 3), limit=MINUTE, around=around
            ) as program:
                assert program.finish() == 3
            assert b"".join(heard).decode() == errors
        finally:
            bench.remove(name)

    def test_sizes_that_take_too_long(self, engine: Engine) -> None:
        """No answer within the limit is an error with the reason `stalled`."""
        with pytest.raises(EngineError) as caught:
            engine.volume_sizes(timedelta(microseconds=1))
        assert caught.value.reason is Reason.STALLED

    def test_a_host_that_lets_the_bot_work(self, engine: Engine, filled: str) -> None:
        """It is examined without leaving a trace: nothing is forbidden, and its clock is ours."""
        found, survey = engine.examine(MINUTE), engine.survey(MINUTE)
        assert (found.version, found.api_version) == (survey.version, survey.api_version)
        assert found.forbidden == ()
        assert found.at is not None
        assert abs(found.at - datetime.now(UTC)) < MINUTE
        names = [one.name for one in (*engine.volumes(), *engine.list_containers(), *engine.helpers())]
        assert not [name for name in names if re.fullmatch("[0-9a-f]{32}", name)]
        assert filled in {volume.name for volume in engine.volumes()}
