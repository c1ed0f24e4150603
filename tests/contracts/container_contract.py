"""What every engine must do with the company's containers. It must not know which engine it has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.engine import Engine
from bot.errors import Conflict, NotFound
from tests.contracts.bench import Bench, Fixtures, NewName


class ContainerContract(Fixtures):
    """The contract's part on containers."""

    def test_users_of_leaves_out_helpers_and_others(
        self, engine: Engine, bench: Bench, filled: str, empty: str, new_name: NewName
    ) -> None:
        """Only containers that mount this very volume are its users, sorted, in any state."""
        both, one, other, helper = (new_name(word) for word in ("b-both", "a-one", "other", "helper"))
        bench.run(both, empty, filled)
        bench.run(one, filled)
        bench.run(other, empty)
        engine.create_helper(helper, filled, run_id="r", read_only=True)
        try:
            engine.stop(engine.container(one), 0)
            users = engine.users_of(filled)
            assert [user.name for user in users] == sorted((both, one))
            assert {user.name: user.state for user in users} == {both: "running", one: "exited"}
            assert users[0] == engine.container(users[0].name)
            assert engine.users_of(new_name("nothing")) == ()
        finally:
            engine.remove_helper(helper)
            for name in (both, one, other):
                bench.remove(name)

    def test_container_by_name_and_id(self, engine: Engine, bench: Bench, new_name: NewName) -> None:
        """A container is found by name and by id; a misspelt one is NotFound naming the nearest."""
        name = new_name("found")
        bench.run(name)
        found = engine.container(name)
        assert (found.name, found.state) == (name, "running")
        assert engine.container(found.id) == found
        with pytest.raises(NotFound) as raised:
            engine.container(name[:-1])
        assert name in raised.value.told_to(lambda of: of == f"container:{name}")
        assert name not in str(raised.value)
        bench.remove(name)

    def test_pause_and_unpause(self, engine: Engine, bench: Bench, new_name: NewName) -> None:
        """A paused container is woken once; the second time there is nothing to do, and pausing twice is a conflict."""
        name = new_name("pause")
        bench.run(name)
        before = engine.container(name)
        engine.pause(before)
        assert engine.container(name) == replace(before, state="paused")
        with pytest.raises(Conflict):
            engine.pause(before)
        assert engine.unpause(before) is True
        assert engine.container(name) == before
        assert engine.unpause(before) is False
        bench.remove(name)
        assert engine.unpause(before) is False

    def test_stop_and_start(self, engine: Engine, bench: Bench, new_name: NewName) -> None:
        """A stopped container is started once; it then has another life; stopping twice is a conflict."""
        name = new_name("stop")
        bench.run(name)
        before = engine.container(name)
        engine.stop(before, 0)
        assert engine.container(name).state == "exited"
        with pytest.raises(Conflict):
            engine.stop(before, 0)
        assert engine.start(before) is True
        after = engine.container(name)
        assert after.state == "running"
        assert after.started_at != before.started_at
        assert engine.start(before) is False
        bench.remove(name)
        assert engine.start(before) is False

    def test_another_life_is_left_alone(self, engine: Engine, bench: Bench, new_name: NewName) -> None:
        """A container that was restarted since is neither paused, stopped, woken nor started on old knowledge."""
        name = new_name("lives")
        bench.run(name)
        old = engine.container(name)
        bench.restart(name)
        new = engine.container(name)
        for change in (engine.pause, lambda container: engine.stop(container, 0)):
            with pytest.raises(Conflict):
                change(old)
        assert engine.container(name) == new
        engine.pause(new)
        assert engine.unpause(old) is False
        assert engine.container(name).state == "paused"
        engine.stop(new, 0)
        assert engine.start(old) is False
        assert engine.container(name).state == "exited"
        bench.remove(name)
