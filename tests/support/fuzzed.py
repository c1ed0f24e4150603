"""Payloads as nobody should send them, made of recorded good ones: seeded, endless, each with why it is wrong.

What a payload must have is listed here once more, by hand from Slack's documentation, and not taken from the bot.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
Path = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A payload that Slack would send: `how` it travels is as a `command`, an `event` or an `interaction`."""

    how: str
    kind: str
    payload: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Spoilt:
    """A body that is to be refused. With `signed` False, or headers of its own, even its signature is wrong."""

    why: str
    body: bytes
    content_type: str = FORM
    signed: bool = True
    headers: dict[str, str] = field(default_factory=dict)


_USER: dict[Path, str] = {("user",): "object", ("user", "id"): "id"}
NEEDED: dict[str, dict[Path, str]] = {
    "app_mention": {("event",): "object", ("event", "type"): "text", ("event", "channel"): "text"},
    "app_home_opened": {("event",): "object", ("event", "type"): "text"},
    "block_actions": {
        **_USER,
        ("actions",): "list",
        ("actions", 0): "object",
        ("actions", 0, "action_id"): "text",
    },
    "block_suggestion": {**_USER, ("view",): "object", ("action_id",): "text"},
    "view_submission": {
        **_USER,
        ("view",): "object",
        ("view", "id"): "text",
        ("view", "callback_id"): "text",
        ("view", "blocks"): "list",
        ("view", "blocks", 0): "object",
        ("view", "state"): "object",
        ("view", "state", "values"): "object",
    },
    "shortcut": {**_USER, ("callback_id",): "text", ("trigger_id",): "text"},
    "message_action": {
        **_USER,
        ("callback_id",): "text",
        ("trigger_id",): "text",
        ("message",): "object",
        ("channel",): "object",
        ("channel", "id"): "text",
    },
}
"""What the payloads cannot do without, and what stands there."""

MAY: dict[str, dict[Path, str]] = {
    "app_mention": {
        ("event_id",): "text",
        ("event", "user"): "id",
        ("event", "text"): "text",
        ("event", "thread_ts"): "id",
        ("event", "files"): "list",
        ("team_id",): "text",
        ("authorizations",): "list",
    },
    "app_home_opened": {("event_id",): "text", ("event", "user"): "id", ("event", "tab"): "text"},
    "block_actions": {
        ("actions", 0, "value"): "text",
        ("response_url",): "text",
        ("trigger_id",): "text",
        ("container",): "object",
        ("container", "thread_ts"): "id",
        ("channel",): "object",
        ("state",): "object",
        ("user", "username"): "text",
    },
    "block_suggestion": {
        ("value",): "text",
        ("view", "private_metadata"): "text",
        ("view", "state"): "object",
    },
    "view_submission": {("view", "private_metadata"): "text", ("team",): "team"},
    "shortcut": {("team",): "team", ("user", "name"): "text"},
    "message_action": {
        ("response_url",): "text",
        ("message", "files"): "list",
        ("message", "thread_ts"): "id",
    },
}
"""What may be missing, but must not be anything else."""

_WRONG: dict[str, Sequence[Any]] = {
    "text": (5, -1, 1.5, True, [], {}, ["x"], {"id": "x"}, "a\0b", "\ud800", "\udfff!", "x" * 50_000),
    "id": (
        5,
        True,
        [],
        {},
        [["U0ANN"]],
        "u0ann",
        "U0ANN;",
        "U 0",
        "<@U0ANN>",
        "U\0",
        "U\ud800",
        "U" * 300,
        "é",
        "🙂",
    ),
    "object": (5, 0.1, True, "x", "", [], [{}], ["id"]),
    "list": (5, True, "x", {"0": {}}, [5], ["x"], [[]], [True]),
    "team": (5, True, [], ["T"], {"id": 5}, {"id": []}, {"id": "t\0"}),
}
_MISSING = object()
_KEYS = frozenset({"event_id", "trigger_id", "team", "team_id", "id"})


def deep(levels: int, chance: random.Random) -> str:
    """JSON that nests so deep, as text."""
    return chance.choice(['{"a":' * levels + "1" + "}" * levels, "[" * levels + "]" * levels])


class Fuzz:
    """Spoils what was recorded. The same seed makes the same."""

    def __init__(self, recorded: Sequence[Recorded], seed: int) -> None:
        self.random = random.Random(seed)
        self._recorded = [one for one in recorded if one.how != "command"]
        self._commands = [one for one in recorded if one.how == "command"]

    def payload(self) -> tuple[str, Any]:
        """An event or interaction with something missing or of the wrong type, and what that is."""
        one = self.random.choice(self._recorded)
        payload = copy.deepcopy(one.payload)
        way = self.random.randrange(8)
        if way == 0:
            odd = self.random.choice([None, [], [payload], 5, "x", True, {}, {"type": None}])
            return f"{one.kind} is {str(odd)[:20]}", odd
        if way == 1:
            payload["type"] = self.random.choice(
                ["", "x", 5, None, ["event_callback"], {"a": 1}, "dialog_submission"]
            )
            return f"{one.kind} of type {payload['type']!r}", payload
        if way == 2:
            levels = self.random.choice([70, 200, 900])
            payload[self.random.choice(["extra", "event", "user", "view", "message"])] = json.loads(
                deep(levels, self.random)
            )
            return f"{one.kind} that nests {levels} deep", payload
        if way < 6:
            return self._wrong(one.kind, payload, {**NEEDED[one.kind], **MAY[one.kind]})
        return self._without(one.kind, payload)

    def _wrong(self, kind: str, payload: Any, places: dict[Path, str]) -> tuple[str, Any]:
        path = self.random.choice([path for path in places if _holds(payload, path)])
        value = self.random.choice(_WRONG[places[path]])
        _put(payload, path, value)
        return f"{kind} whose {path} is {str(value)[:20]!r}", payload

    def _without(self, kind: str, payload: Any) -> tuple[str, Any]:
        path = self.random.choice([path for path in NEEDED[kind] if isinstance(path[-1], str)])
        _put(payload, path, self.random.choice([_MISSING, None]))
        return f"{kind} without {path}", payload

    def odd_somewhere(self) -> tuple[str, Spoilt]:
        """Anything anywhere but where it is said which delivery this is: perhaps it still means what it meant."""
        one = self.random.choice(self._recorded)
        payload = copy.deepcopy(one.payload)
        places = [path for path in _places(payload) if not _KEYS.intersection(path) and path != ("view",)]
        path = self.random.choice(places)
        value = self.random.choice([*(value for pool in _WRONG.values() for value in pool), None, "", "x"])
        _put(payload, path, value)
        body = urlencode({"payload": json.dumps(payload)}).encode()
        return f"{one.kind} whose {path} is {str(value)[:20]!r}", Spoilt(why="odd", body=body)

    def command(self) -> tuple[str, dict[str, str]]:
        """The fields of a slash command with something missing or wrong."""
        fields = dict(self.random.choice(self._commands).payload)
        name = self.random.choice(["user_id", "channel_id", "command", "text", "trigger_id", "user_name"])
        wrong: dict[str, Sequence[str]] = {
            "user_id": ("", "ann", "U0ANN\0", "U0ANN OR 1", "U" * 400, "<!channel>"),
            "channel_id": ("c0ops", "#ops", "C0\0OPS", "C" * 400, "C0OPS\n"),
            "command": ("", "backup", "/\0", "/ü", "/" + "x" * 400, "/a b"),
            "text": ("a\0b", "x" * 50_000, "\0"),
            "trigger_id": ("a b", "x" * 400, "\0", "é"),
            "user_name": ("\0", "x" * 400),
        }
        if name in ("user_id", "channel_id") and self.random.random() < 0.3:
            del fields[name]
            return f"command without {name}", fields
        fields[name] = self.random.choice(wrong[name])
        return f"command whose {name} is {fields[name][:20]!r}", fields

    def requests(self) -> Iterator[Spoilt]:
        """HTTP requests for ever: half of them with a wrong signature, half signed as by Slack."""
        ways: Sequence[Callable[[], Spoilt]] = (
            self._unsigned,
            self._unsigned,
            self._unsigned,
            self._spoilt_payload,
            self._spoilt_command,
            self._spoilt_bytes,
        )
        while True:
            yield self.random.choice(ways)()

    def _good(self) -> tuple[bytes, str]:
        one = self.random.choice([*self._recorded, *self._commands])
        if one.how == "event":
            return json.dumps(one.payload).encode(), JSON
        fields = one.payload if one.how == "command" else {"payload": json.dumps(one.payload)}
        return urlencode(fields).encode(), FORM

    def _unsigned(self) -> Spoilt:
        body, content_type = self._good()
        way = self.random.randrange(4)
        if way == 0:
            return Spoilt(why="no signature", body=body, content_type=content_type, signed=False)
        if way == 1:
            noise = self.random.randbytes(self.random.randrange(200))
            return Spoilt(why="noise", body=noise, content_type=content_type, signed=False)
        if way == 2:
            name = "X-Slack-Request-Timestamp"
            stamp = self.random.choice(
                ["soon", "-1", "1e9", "0", "9" * 11, "9" * 400, "", "\xb2", "١٢".encode().decode("latin-1")]
            )
            return Spoilt(
                why=f"time {stamp[:9]!r}", body=body, content_type=content_type, headers={name: stamp}
            )
        odd = [
            "v0=",
            "v0=" + "0" * 64,
            "v1=" + "0" * 64,
            "\xff" * 67,
            "0" * 64,
            "v0=" + "G" * 64,
            "x" * 8_000,
        ]
        return Spoilt(
            why="signature",
            body=body,
            content_type=content_type,
            headers={"X-Slack-Signature": self.random.choice(odd)},
        )

    def _spoilt_payload(self) -> Spoilt:
        why, payload = self.payload()
        text = json.dumps(payload)
        if self.random.random() < 0.5:
            return Spoilt(why=why, body=text.encode(), content_type=JSON)
        return Spoilt(why=why, body=urlencode({"payload": text}).encode())

    def _spoilt_command(self) -> Spoilt:
        why, fields = self.command()
        return Spoilt(why=why, body=urlencode(fields).encode())

    def _spoilt_bytes(self) -> Spoilt:
        body, content_type = self._good()
        way = self.random.randrange(8)
        if way == 0:
            end = self.random.randrange(1, 40) if content_type == FORM else self.random.randrange(len(body))
            return Spoilt(why="cut off", body=body[:end], content_type=content_type)
        if way == 1:
            return Spoilt(why="no UTF-8", body=body + b"&x=\xff\xfe", content_type=content_type)
        if way == 2:
            kinds = [
                "",
                "text/plain",
                "multipart/form-data",
                "application/xml",
                "x" * 2_000,
                "application/jsonp",
            ]
            return Spoilt(why="content type", body=body, content_type=self.random.choice(kinds))
        if way == 3:
            other = JSON if content_type == FORM else FORM
            return Spoilt(why="called something else", body=body, content_type=other)
        if way == 4:
            return Spoilt(
                why="very deep",
                body=deep(self.random.choice([2_000, 100_000]), self.random).encode(),
                content_type=JSON,
            )
        if way == 5:
            return Spoilt(why="many fields", body=b"&".join([b"a=1"] * 5_000), content_type=FORM)
        if way == 6:
            return Spoilt(
                why="deep in a form", body=urlencode({"payload": deep(3_000, self.random)}).encode()
            )
        odd = [
            b"",
            b"{}",
            b"null",
            b"[]",
            b"{",
            b'"x"',
            b"payload=",
            b"payload",
            b"\0",
            b"NaN",
            b"9" * 5_000,
            b"payload=%00",
        ]
        return Spoilt(why="hardly anything", body=self.random.choice(odd), content_type=content_type)


def _places(payload: Any, path: Path = ()) -> Iterator[Path]:
    steps: Any = (
        payload.items()
        if isinstance(payload, dict)
        else enumerate(payload if isinstance(payload, list) else ())
    )
    for step, inner in steps:
        yield (*path, step)
        yield from _places(inner, (*path, step))


def _holds(payload: Any, path: Path) -> bool:
    """Whether there is something at the path's end, or could be."""
    try:
        for step in path[:-1]:
            payload = payload[step]
    except (KeyError, IndexError, TypeError):
        return False
    return isinstance(payload, dict) or (isinstance(payload, list) and path[-1] in range(len(payload)))


def _put(payload: Any, path: Path, value: Any) -> None:
    for step in path[:-1]:
        payload = payload[step]
    if value is not _MISSING:
        payload[path[-1]] = value
    else:
        del payload[path[-1]]
