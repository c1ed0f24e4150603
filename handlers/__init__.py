"""The commands, a file each. Importing one defines its COMMAND and does nothing else."""

from __future__ import annotations

import importlib
import pkgutil

from bot.command import Command


def load() -> dict[str, Command]:
    """Every command of this folder by its name."""
    modules = (
        importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)
    )
    commands: list[Command] = [module.COMMAND for module in modules]
    return {command.name: command for command in sorted(commands, key=lambda command: command.name)}
