"""What every engine must do with volumes. It must not know which engine it has."""

from __future__ import annotations

import re

import pytest

from bot.engine import Engine, Volume
from bot.errors import Conflict, NotFound
from tests.contracts.bench import Fixtures, NewName


class VolumeContract(Fixtures):
    """The contract's part on volumes."""

    def test_created_volume_is_found_exactly(self, engine: Engine, new_name: NewName) -> None:
        """A volume keeps its name, driver, labels and options, alone and in the sorted list."""
        options = {"type": "tmpfs", "device": "tmpfs", "o": "size=1m"}
        wanted = Volume(
            name=new_name("made"), driver="local", labels={"team": "ops", "empty": ""}, options=options
        )
        engine.create_volume(wanted)
        try:
            assert engine.volume(wanted.name) == wanted
            listed = engine.volumes()
            assert wanted in listed
            assert [volume.name for volume in listed] == sorted(volume.name for volume in listed)
        finally:
            engine.remove_volume(wanted.name)

    def test_unknown_volume_names_the_nearest(self, engine: Engine, empty: str) -> None:
        """A misspelt volume is NotFound, and who may touch the one that was meant is told its name."""
        with pytest.raises(NotFound) as raised:
            engine.volume(empty[:-1])
        assert empty in raised.value.told_to(lambda of: of == f"volume:{empty}")
        assert empty not in str(raised.value)

    def test_taken_volume_name_is_a_conflict(self, engine: Engine, empty: str) -> None:
        """Creating a volume under a taken name changes nothing and says so."""
        before = engine.volume(empty)
        with pytest.raises(Conflict, match=re.escape(empty)):
            engine.create_volume(Volume(name=empty, driver="local", labels={"other": "1"}))
        assert engine.volume(empty) == before

    def test_volume_is_removed_once_and_for_all(self, engine: Engine, new_name: NewName) -> None:
        """Removing twice, or what never was, is no error."""
        name = new_name("gone")
        engine.create_volume(Volume(name=name, driver="local"))
        engine.remove_volume(name)
        engine.remove_volume(name)
        with pytest.raises(NotFound):
            engine.volume(name)

    def test_used_volume_is_not_removed(self, engine: Engine, empty: str, new_name: NewName) -> None:
        """A volume that a helper mounts stays, and that is a conflict."""
        helper = new_name("user")
        engine.create_helper(helper, empty, run_id="r", read_only=True)
        try:
            with pytest.raises(Conflict):
                engine.remove_volume(empty)
            assert engine.volume(empty).name == empty
        finally:
            engine.remove_helper(helper)
