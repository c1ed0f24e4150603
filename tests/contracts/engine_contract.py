"""What every engine must do: the fake one and the real one pass this same suite. It must not know which it has."""

from __future__ import annotations

from bot.engine import Engine
from tests.contracts.container_contract import ContainerContract
from tests.contracts.exchange_contract import ExchangeContract
from tests.contracts.execution_contract import ExecutionContract
from tests.contracts.file_contract import FileContract
from tests.contracts.holder_contract import HolderContract
from tests.contracts.inventory_contract import InventoryContract
from tests.contracts.snapshot_contract import SnapshotContract
from tests.contracts.tool_contract import ToolContract
from tests.contracts.transfer_contract import TransferContract
from tests.contracts.volume_contract import VolumeContract


class EngineContract(
    VolumeContract,
    TransferContract,
    ContainerContract,
    HolderContract,
    ToolContract,
    ExchangeContract,
    ExecutionContract,
    InventoryContract,
    FileContract,
    SnapshotContract,
):
    """Subclass it; give the fixtures `engine`, `bench` (a Bench) and `new_name` (names that no one else uses)."""

    def test_says_who_it_is(self, engine: Engine) -> None:
        """info names the engine, its versions and where it was reached."""
        info = engine.info()
        assert info.name
        assert info.version
        assert info.api_version
        assert "://" in info.address

    def test_close_twice(self, engine: Engine) -> None:
        """Closing is safe to repeat."""
        engine.close()
        engine.close()
