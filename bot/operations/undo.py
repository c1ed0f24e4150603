"""How each verb of the undo journal is taken back. Every one may be carried out twice.

The names are stored in the database, so a verb, once released, keeps its name and its arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bot.engine import RUN_LABEL, Container, Engine
from bot.operations.context import DISCARD_DRAFT, REMOVE_HELPER, REMOVE_VOLUME, START, UNPAUSE
from bot.stores.archive import Archive

Arguments = Mapping[str, str]


def registry(
    engine: Callable[[str], Engine], archive: Archive
) -> dict[str, Callable[[str, Arguments], None]]:
    """Verb to what takes it back, given the host and the arguments that were written down."""

    def unpause(host: str, arguments: Arguments) -> None:
        engine(host).unpause(_container(arguments))

    def start(host: str, arguments: Arguments) -> None:
        engine(host).start(_container(arguments))

    def remove_helper(host: str, arguments: Arguments) -> None:
        engine(host).remove_helper(arguments["name"])

    def remove_volume(host: str, arguments: Arguments) -> None:
        docker, name = engine(host), arguments["name"]
        made = [volume for volume in docker.volumes() if volume.name == name]
        if made and made[0].labels.get(RUN_LABEL) == arguments["run"]:
            docker.remove_volume(name)

    def discard_draft(_host: str, arguments: Arguments) -> None:
        archive.discard(arguments["host"], arguments["volume"], arguments["backup"])

    return {
        UNPAUSE: unpause,
        START: start,
        REMOVE_HELPER: remove_helper,
        REMOVE_VOLUME: remove_volume,
        DISCARD_DRAFT: discard_draft,
    }


def _container(arguments: Arguments) -> Container:
    return Container(
        id=arguments["container"],
        name=arguments["name"],
        state="",
        started_at=arguments["started_at"],
    )
