"""What the environment says: variables, and the files that others of them name. Knows no setting."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr


def read_variable(environment: Mapping[str, str], name: str, problems: list[str]) -> str | None:
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


def read_secret(environment: Mapping[str, str], name: str, problems: list[str]) -> SecretStr | None:
    """The same, for what must not be shown."""
    value = read_variable(environment, name, problems)
    return SecretStr(value) if value else None
