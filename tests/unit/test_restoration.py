"""What a later process says of a restore whose bot died: only what was kept was proven."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.engine import RUN_LABEL
from bot.operations.context import EXCHANGE_BACK, REMOVE_VOLUME
from bot.operations.restoration import found_done
from bot.stores.archive import Archive
from tests.fakes import FakeEngine
from tests.support.archives import Clock

RUN = "7f3a2c1b"


@pytest.fixture
def engine() -> FakeEngine:
    """A host with a volume that the run made."""
    made = FakeEngine()
    made.add_volume("copy", {"a": b"half"}, **{RUN_LABEL: RUN})
    return made


def test_a_volume_that_could_not_be_removed_yet_is_not_done(engine: FakeEngine, tmp_path: Path) -> None:
    """It bears the run's label, but nobody kept it, so it may be half filled: restore and undo say nothing of it."""
    archive = Archive(tmp_path, Clock())
    assert found_done(engine, archive, lambda _: False, RUN, "") is None


def test_a_volume_that_was_kept_is_done(engine: FakeEngine, tmp_path: Path) -> None:
    """It was read back and compared before it was kept, so the reply names it."""
    reply = found_done(engine, Archive(tmp_path, Clock()), lambda verb: verb == REMOVE_VOLUME, RUN, "")
    assert reply is not None
    assert reply.facts["volume"] == "copy"


def test_an_exchange_without_a_safety_backup_is_not_done(engine: FakeEngine, tmp_path: Path) -> None:
    """Without what it replaced in the archive nothing can be promised of it."""
    archive = Archive(tmp_path, Clock())
    assert found_done(engine, archive, lambda verb: verb == EXCHANGE_BACK, RUN, "") is None
