"""Takes typed fields out of parsed JSON, or says by name which one is wrong.

Must not know what the fields are for.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from bot.language import later, say

FORMAT = 1

_CHECKSUM = "checksum"
_SEALED = re.compile(
    rf'(?P<body>.*),\n  "{_CHECKSUM}": "(?P<checksum>[0-9a-f]{{64}})"\n}}\n', re.DOTALL | re.ASCII
)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_T = TypeVar("_T")


def parse_object(text: str, sealed_since: str) -> Fields:
    """The JSON object of our format; raises ValueError saying what is wrong.

    Its checksum, made by `write_object`, must be right, so that one flipped bit is noticed wherever it is. Only an
    object without the key `sealed_since` is so old that it may have none.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(say("it is not JSON")) from error
    fields = Fields(found, "")
    if found.get("format") != FORMAT:
        found_format = repr(found.get("format"))
        raise ValueError(
            say(
                "it has format {format}, and this version reads only {known}",
                format=found_format,
                known=FORMAT,
            )
        )
    if sealed_since in found or _CHECKSUM in found:
        seal = _SEALED.fullmatch(text)
        if seal is None or seal["checksum"] != _checksum(seal["body"]):
            raise ValueError(say("it is not as it was written, for its checksum is wrong"))
    return fields


def write_object(fields: dict[str, Any]) -> str:
    """The same as JSON in ASCII, the format number first; times in UTC as ISO 8601.

    Last comes `checksum`: the SHA-256 of the text before the comma in front of it.
    """
    body = json.dumps({"format": FORMAT, **fields}, indent=2, default=_time_text).removesuffix("\n}")
    return f'{body},\n  "{_CHECKSUM}": "{_checksum(body)}"\n}}\n'


def _checksum(body: str) -> str:
    return hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()


def _time_text(value: object) -> str:
    if not isinstance(value, datetime):
        raise TypeError(f"{type(value).__name__} cannot be written down as JSON")
    return value.astimezone(UTC).isoformat()


class Fields:
    """One JSON object. Every method raises ValueError for a field of another kind than asked for."""

    def __init__(self, found: object, path: str) -> None:
        if not isinstance(found, dict):
            raise ValueError(say("“{field}” is not an object", field=path.rstrip(".") or "it"))
        self._found: dict[str, Any] = found
        self._path = path

    def _take(self, key: str, what: type | tuple[type, ...]) -> Any:
        value = self._found.get(key)
        if not isinstance(value, what) or isinstance(value, bool):
            raise self._wrong(later("“{field}” is missing or not of the right kind"), key)
        return value

    def _wrong(self, sentence: str, key: str, **values: str) -> ValueError:
        return ValueError(say(sentence, field=self._path + key, **values))

    def text(self, key: str, default: str | None = None) -> str:
        """A string; `default`, if there is one, stands for a missing key."""
        if default is not None and key not in self._found:
            return default
        return str(self._take(key, str))

    def one_of(self, key: str, *wanted: str) -> str:
        """One of these strings."""
        value = self.text(key)
        if value not in wanted:
            allowed = " / ".join(f"“{one}”" for one in wanted)
            raise self._wrong(later("“{field}” should be {allowed}"), key, allowed=allowed)
        return value

    def whole(self, key: str) -> int:
        """A whole number, not negative."""
        value = int(self._take(key, int))
        if value < 0:
            raise self._wrong(later("“{field}” is negative"), key)
        return value

    def maybe_whole(self, key: str) -> int | None:
        """A whole number of either sign, or nothing."""
        return None if self._found.get(key) is None else int(self._take(key, int))

    def maybe_number(self, key: str) -> float | None:
        """A number, or nothing."""
        return None if self._found.get(key) is None else float(self._take(key, (int, float)))

    def sha256(self) -> str:
        """The field of that name: 64 hexadecimal digits."""
        value = self.text("sha256")
        if not _SHA256.fullmatch(value):
            raise self._wrong(later("“{field}” is not a SHA-256"), "sha256")
        return value

    def time(self, key: str) -> datetime:
        """An ISO 8601 time with its zone, in UTC."""
        try:
            value = datetime.fromisoformat(self.text(key))
        except ValueError as error:
            raise self._wrong(later("“{field}” is not a time"), key) from error
        if value.tzinfo is None:
            raise self._wrong(later("“{field}” has no time zone"), key)
        try:
            return value.astimezone(UTC)
        except OverflowError as error:
            raise self._wrong(later("“{field}” is no time of this calendar"), key) from error

    def maybe_time(self, key: str) -> datetime | None:
        """A time, or nothing."""
        return None if self._found.get(key) is None else self.time(key)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list, each thing in it as a string."""
        return tuple(str(item) for item in self._take(key, list))

    def mapping(self, key: str) -> dict[str, str]:
        """An object of strings."""
        return {str(name): str(value) for name, value in self._take(key, dict).items()}

    def child(self, key: str) -> Fields:
        """An object in this one."""
        return Fields(self._found.get(key), f"{self._path}{key}.")

    def maybe_child(self, key: str, make: Callable[[Fields], _T], otherwise: _T) -> _T:
        """What `make` makes of an object in this one; `otherwise` when there is none."""
        return otherwise if self._found.get(key) is None else make(self.child(key))

    def children(self, key: str, make: Callable[[Fields], _T]) -> tuple[_T, ...]:
        """What `make` makes of each object in a list; nothing when there is no list."""
        if self._found.get(key) is None:
            return ()
        return tuple(
            make(Fields(item, f"{self._path}{key}.{place}."))
            for place, item in enumerate(self._take(key, list))
        )
