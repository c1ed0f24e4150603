"""What the environment of a process says, before any settings are read: variables, the state directory, the person.

Nothing but the standard library, for a shell asks at every press of its completion key. Must not know what is set.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from pathlib import Path


def variable(environment: Mapping[str, str], name: str, problems: list[str]) -> str | None:
    """The variable, or the content of the file that `<NAME>_FILE` names, without its last line break."""
    path = environment.get(f"{name}_FILE")
    if not path:
        return environment.get(name) or None
    if environment.get(name):
        problems.append(f"{name} and {name}_FILE are both set; keep one of them")
    try:
        return Path(path).read_text().rstrip("\r\n") or None
    except OSError as error:
        problems.append(f"{name}_FILE: {path} cannot be read ({error.strerror})")
    except UnicodeDecodeError:
        problems.append(f"{name}_FILE: {path} is not UTF-8 text")
    return None


def state_directory(environment: Mapping[str, str], problems: list[str]) -> Path:
    """Where the bot keeps what outlives it, as an absolute path."""
    return Path(variable(environment, "SHIPKEEPER_STATE", problems) or _default_state(environment)).absolute()


def shell_user(environment: Mapping[str, str] = os.environ) -> str:
    """The person behind the shell, by the machine's word and not by variables that anybody may set.

    Of root, it is who called sudo, whom sudo names; root could do everything anyway.
    """
    user_id = os.getuid()
    caller = environment.get("SUDO_USER") if user_id == 0 else None
    return caller or user_of(user_id)


def user_of(user_id: int) -> str:
    """The name of that user of the machine; the number where there is none, as in containers."""
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)


def _default_state(environment: Mapping[str, str]) -> str:
    if os.geteuid() == 0:
        return "/var/lib/shipkeeper"
    home = environment.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return str(Path(home) / "shipkeeper")
