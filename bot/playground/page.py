"""The chat page's door: its static files, its state as JSON, and what is typed and pressed on it.

Only this machine's own browser may use it: the Host must be loopback and a stated Origin the page's own.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from bot.playground.files import StoredFile
from bot.playground.http_delivery import ACK_SECONDS
from bot.playground.people import People
from bot.playground.records import BOT_NAME, BOT_USER_ID, Delivery, Json, Message
from bot.playground.sockets import SocketHub
from bot.playground.transcript import SHOWN_ALONE, complaint
from bot.playground.views import View
from bot.playground.workspace import Workspace

FOLDER: Final = Path(__file__).parent / "page"
ASSETS: Final = (
    "blocks.js",
    "forms.js",
    "icon.svg",
    "log.js",
    "page.css",
    "page.js",
    "picker.js",
    "shortcuts.js",
    "typeahead.js",
)
LOCAL_NAMES: Final = ("127.0.0.1", "localhost")
SECURITY_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_HANDLE: Final = re.compile(r"@([a-z0-9_.-]+)")

Act = Callable[[Json], Any]


def local_host(request: Request) -> bool:
    """True when the request names loopback as its host, which a rebound domain name does not."""
    return (request.url.hostname or "") in LOCAL_NAMES


def _same_origin(request: Request) -> bool:
    origin = request.headers.get("origin")
    own = f"http://{request.headers.get('host', '')}"
    fetched_by = request.headers.get("sec-fetch-site", "same-origin")
    return origin in (None, own) and fetched_by in ("same-origin", "none")


class Page:
    """The chat page of one playground."""

    def __init__(
        self, workspace: Workspace, hub: SocketHub, people: People, by_http: Callable[[], bool]
    ) -> None:
        self._workspace = workspace
        self._hub = hub
        self._people = people
        self._by_http = by_http

    def routes(self) -> list[Route]:
        """The page's routes."""
        acts: dict[str, Act] = {
            "type": self._type,
            "press": self._press,
            "submit": self._submit,
            "suggest": self._suggest,
            "close": self._close,
            "home": self._home,
            "shortcut": self._shortcut,
        }
        doors = [
            Route(f"/page/{name}", self._door(act), methods=["POST"], name=name) for name, act in acts.items()
        ]
        return [
            Route("/", self._index),
            Route("/page/state", self._state),
            Route("/page/ack", self._ack),
            Route("/page/files/{file}", self._file),
            Route("/page/{asset}", self._asset, methods=["GET"]),
            *doors,
        ]

    # -- reading --------------------------------------------------------------------------------------------

    async def _index(self, _request: Request) -> Response:
        return FileResponse(FOLDER / "index.html", headers=SECURITY_HEADERS)

    async def _asset(self, request: Request) -> Response:
        name = request.path_params["asset"]
        if name not in ASSETS:
            return Response(status_code=404)
        return FileResponse(FOLDER / name, headers=SECURITY_HEADERS)

    async def _file(self, request: Request) -> Response:
        file = self._workspace.files.get(request.path_params["file"])
        if file is None or file.content is None:
            return Response(status_code=404)
        kind = "image/png" if file.content.startswith(b"\x89PNG") else "application/octet-stream"
        return Response(file.content, media_type=kind, headers=SECURITY_HEADERS)

    async def _state(self, request: Request) -> Response:
        """Everything one user sees; only the version when nothing changed after `after`."""
        world = self._workspace.world
        version = world.version
        if request.query_params.get("after") == str(version):
            return JSONResponse({"version": version})
        user = request.query_params.get("user", "U0ANN")
        return JSONResponse(self._state_for(user, version), headers=SECURITY_HEADERS)

    async def _ack(self, request: Request) -> Response:
        """The bot's direct answer to a delivery, waited for as long as a person would see it come."""
        world = self._workspace.world
        wanted = request.query_params.get("delivery", "")
        delivery = next((one for one in world.deliveries if one.id == wanted), None)
        if delivery is None:
            return JSONResponse({"payload": None}, 404)
        seen = world.version
        while delivery.acked_at is None and delivery.error is None:
            seen = await asyncio.to_thread(world.wait_for_change, seen, ACK_SECONDS)
        return JSONResponse({"payload": delivery.ack_payload})

    def _state_for(self, user: str, version: int) -> Json:
        world = self._workspace.world
        channels = [c for c in world.channels.values() if not c.is_im or user in c.members]
        visible = {channel.id for channel in channels}
        home = self._workspace.views.home(user)
        modals = self._workspace.views.open_modals(user)
        items = [self._message_item(m) for m in world.messages() if m.ephemeral_for in (None, user)]
        items += [item for d in world.deliveries if d.user == user for item in self._delivery_items(d)]
        return {
            "version": version,
            "connected": bool(self._hub.connections) or self._by_http(),
            "bot": BOT_USER_ID,
            "users": [{"id": u.id, "name": u.real_name or u.name} for u in world.users.values()],
            "channels": [{"id": c.id, "name": c.name, "is_im": c.is_im} for c in channels],
            "items": sorted(
                (item for item in items if item["channel"] in visible), key=lambda item: item["order"]
            ),
            "shortcuts": [dict(one) for one in self._workspace.shortcuts],
            "commands": [dict(one) for one in self._workspace.commands],
            "modal": modals[-1].payload() if modals else None,
            "home": home.payload() if home is not None else None,
        }

    def _message_item(self, message: Message) -> Json:
        stored = (self._workspace.files.get(file_id) for file_id in message.files)
        return {
            "kind": "message",
            "key": f"{message.channel}/{message.ts}",
            "order": message.order,
            "channel": message.channel,
            "ts": message.ts,
            "thread_ts": message.thread_ts,
            "user": message.user,
            "text": message.text,
            "blocks": list(message.blocks),
            "ephemeral": message.ephemeral_for is not None,
            "edits": message.edits,
            "files": [
                {"id": file.id, "name": file.title or file.name, "is_picture": file.is_picture}
                for file in stored
                if file is not None
            ],
        }

    def _delivery_items(self, delivery: Delivery) -> list[Json]:
        channel = delivery.channel or "C0OPS"
        base: Json = {"channel": channel, "order": delivery.order, "user": delivery.user}
        items = []
        if delivery.kind in SHOWN_ALONE and delivery.kind not in ("block_suggestion", "home"):
            items.append({**base, "kind": "typed", "key": delivery.id, "text": delivery.summary})
        if delivery.error is not None:
            text = complaint(delivery)
            items.append({**base, "kind": "error", "key": f"{delivery.id}/error", "text": text})
        return items

    # -- acting ---------------------------------------------------------------------------------------------

    def _door(self, act: Act) -> Callable[[Request], Awaitable[Response]]:
        async def door(request: Request) -> Response:
            if not _same_origin(request):
                return JSONResponse({"error": "This page takes input from itself only."}, 403)
            if not request.headers.get("content-type", "").startswith("application/json"):
                return JSONResponse({"error": "Send JSON."}, 415)
            try:
                wanted = json.loads(await request.body())
                done = act(wanted)
            except LookupError as error:
                return JSONResponse({"error": str(error.args[0])}, 400)
            except (ValueError, TypeError):
                return JSONResponse({"error": "Send a JSON object."}, 400)
            return JSONResponse({"error": None, "delivery": done.id if isinstance(done, Delivery) else None})

        return door

    def _type(self, wanted: Json) -> Any:
        """Type a line: a slash command, a mention of the bot, or plain words."""
        text, user, channel = str(wanted["text"]).strip(), str(wanted["user"]), str(wanted["channel"])
        thread_ts = str(wanted.get("thread_ts") or "") or None
        if not text and not wanted.get("file"):
            raise LookupError("Type something first.")
        if text.startswith("/"):
            if wanted.get("file"):
                raise LookupError(
                    f"A slash command takes no files. Take the file away, or write @{BOT_NAME} instead."
                )
            command, _, rest = text.partition(" ")
            return self._people.slash(command, self._with_mentions(rest.strip()), user, channel, None)
        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        files = self._uploaded(wanted.get("file"), user)
        if text.lower().startswith(f"@{BOT_NAME}"):
            words = self._with_mentions(escaped[len(BOT_NAME) + 1 :].strip())
            return self._people.mention(words, user, channel, thread_ts, files)
        return self._people.say(self._with_mentions(escaped), user, channel, thread_ts, files)

    def _uploaded(self, file: Json | None, user: str) -> list[StoredFile]:
        """The one file that goes with what is typed, or none; its content comes in Base64."""
        if not file:
            return []
        content = base64.b64decode(str(file["content"]), validate=True)
        return [self._people.upload(str(file["name"]), content, user)]

    def _with_mentions(self, text: str) -> str:
        """`@bob` as Slack sends it: `<@U0BOB>`."""
        ids = {user.name: user.id for user in self._workspace.world.users.values()}
        return _HANDLE.sub(lambda m: f"<@{ids[m.group(1)]}>" if m.group(1) in ids else m.group(0), text)

    def _press(self, wanted: Json) -> Delivery:
        user, action = str(wanted["user"]), str(wanted["action_id"])
        if wanted.get("view_id"):
            return self._people.press_in_view(self._view(wanted), action, user)
        return self._people.press(self._message(wanted), action, user, None)

    def _view(self, wanted: Json) -> View:
        view = self._workspace.views.get(str(wanted["view_id"]))
        if view is None:
            raise LookupError("This form is closed.")
        return view

    def _submit(self, wanted: Json) -> Delivery:
        return self._people.submit(self._view(wanted), dict(wanted["values"]), str(wanted["user"]))

    def _suggest(self, wanted: Json) -> Delivery:
        view, typed = self._view(wanted), dict(wanted.get("values") or {})
        field, letters = str(wanted["action_id"]), str(wanted["letters"])
        return self._people.suggest(view, field, letters, str(wanted["user"]), typed)

    def _shortcut(self, wanted: Json) -> Delivery:
        """One beside the message box, or one in the menu of a message."""
        callback_id, user = str(wanted["callback_id"]), str(wanted["user"])
        if not wanted.get("ts"):
            return self._people.shortcut(callback_id, user)
        return self._people.message_shortcut(callback_id, self._message(wanted), user)

    def _message(self, wanted: Json) -> Message:
        message = self._workspace.world.message(str(wanted["channel"]), str(wanted["ts"]))
        if message is None:
            raise LookupError("This message is gone.")
        return message

    def _close(self, wanted: Json) -> None:
        self._workspace.views.close(self._view(wanted))
        self._workspace.world.touch()

    def _home(self, wanted: Json) -> Delivery:
        return self._people.open_home(str(wanted["user"]))
