"""What people do in the workspace: type commands, mention the bot, press buttons, fill forms.

Turns each act into a delivery; how it reaches the bot is the deliverer's business.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bot.playground import payloads
from bot.playground.files import StoredFile
from bot.playground.forms import demand_filled, find_input, state_values
from bot.playground.payloads import Occasion
from bot.playground.places import message_payload
from bot.playground.records import BOT_USER_ID, Channel, Delivery, Draft, Json, Message, User
from bot.playground.views import View
from bot.playground.workspace import EVENT_SCOPES, Workspace


@dataclass(frozen=True, kw_only=True)
class _Deed:
    kind: str
    payload: Json
    user: str
    channel: str
    summary: str


class People:
    """The hands and mouths of the workspace's users."""

    def __init__(self, workspace: Workspace, send: Callable[[Delivery], Delivery]) -> None:
        self._workspace = workspace
        self._send = send

    def slash(self, command: str, text: str, user: str, channel: str, trigger_id: str | None) -> Delivery:
        """Type a slash command; works in every channel the user sees, member bot or not."""
        where = self._channel(channel)
        path = self._workspace.response_urls.issue(user, where.id)
        occasion = self._occasion(user, where, trigger_id, path)
        summary = f"{command} {text}".rstrip()
        payload = payloads.slash(occasion, command, text)
        return self._do(_Deed(kind="slash", payload=payload, user=user, channel=where.id, summary=summary))

    def upload(self, name: str, content: bytes, user: str) -> StoredFile:
        """Put a file into the workspace, which nobody sees until it is shared with a message."""
        files = self._workspace.files
        return files.receive(files.promise(name, len(content), self._user(user).id), content)

    def mention(
        self, text: str, user: str, channel: str, thread_ts: str | None, files: Sequence[StoredFile] = ()
    ) -> Delivery:
        """Write `<@bot> text` into a channel; Slack tells only bots that are members and hold the scope."""
        where = self._channel(channel)
        shared = [self._workspace.files.share(file, "", where.id) for file in files]
        message = self._write(f"<@{BOT_USER_ID}> {text}", user, where, thread_ts, shared)
        shown = [file.payload(self._workspace.base_url) for file in shared]
        payload = payloads.message_event("app_mention", message, where, shown)
        deed = _Deed(kind="mention", payload=payload, user=user, channel=where.id, summary=message.text)
        if BOT_USER_ID not in where.members:
            return self._refuse(deed, "not_in_channel")
        return self._do_if_allowed(deed, "app_mention")

    def say(
        self, text: str, user: str, channel: str, thread_ts: str | None, files: Sequence[StoredFile] = ()
    ) -> Message:
        """Write a plain message; in a direct message the bot gets a `message` event."""
        where = self._channel(channel)
        shared = [self._workspace.files.share(file, "", where.id) for file in files]
        message = self._write(text, user, where, thread_ts, shared)
        if where.is_im:
            payload = payloads.message_event("message", message, where)
            deed = _Deed(kind="message", payload=payload, user=user, channel=where.id, summary=text)
            self._do_if_allowed(deed, "message")
        return message

    def press(self, message: Message, label: str, user: str, version: int | None) -> Delivery:
        """Press a button by action_id, value or label; `version` presses one in an earlier version.

        Raises LookupError when the user does not see such a button.
        """
        hidden = message.deleted or message.ephemeral_for not in (None, user)
        if hidden:
            raise LookupError(
                f"{user} does not see this message: it was deleted or is for somebody else only."
            )
        seen = message.versions[-1 if version is None else version]
        action = _action(seen.blocks, label)
        shown = message_payload(self._workspace, message, with_metadata=True)
        shown |= {"text": seen.text, "blocks": list(seen.blocks)}
        where = self._channel(message.channel)
        path = self._workspace.response_urls.issue(user, where.id, message)
        occasion = self._occasion(user, where, None, path)
        payload = payloads.block_actions(occasion, action, message, shown)
        summary = f"pressed [{_label(action)}]"
        return self._do(_Deed(kind="press", payload=payload, user=user, channel=where.id, summary=summary))

    def press_in_view(self, view: View, label: str, user: str) -> Delivery:
        """Press a button in a form or Home page. Raises LookupError when it has none such."""
        action = _action(view.body["blocks"], label)
        occasion = self._occasion(user, None, None, None)
        payload = payloads.block_actions(occasion, action, None, view.payload())
        summary = f"pressed [{_label(action)}]"
        return self._do(_Deed(kind="press", payload=payload, user=user, channel="", summary=summary))

    def submit(self, view: View, values: Json, user: str) -> Delivery:
        """Send a form off; `values` by block_id or action_id.

        Raises LookupError for an unknown field or option, and for a field that is empty and may not be.
        """
        occasion = self._occasion(user, None, None, None)
        typed = state_values(view.body["blocks"], values, view.offered)
        demand_filled(view.body["blocks"], typed)
        shown = view.payload(typed)
        payload = payloads.view_submission(occasion, shown)
        title = view.body["title"]["text"]
        summary = f"submitted “{title}”"
        return self._do(
            _Deed(kind="view_submission", payload=payload, user=user, channel="", summary=summary)
        )

    def suggest(self, view: View, name: str, letters: str, user: str, values: Json | None = None) -> Delivery:
        """Type letters into an external select, with `values` elsewhere; the ack payload holds the options."""
        block = find_input(view.body["blocks"], name)
        typing = payloads.Typing(
            action_id=block["element"]["action_id"], block_id=block["block_id"], letters=letters
        )
        occasion = self._occasion(user, None, None, None)
        shown = view.payload(state_values(view.body["blocks"], values or {}, view.offered))
        payload = payloads.block_suggestion(occasion, typing, shown)
        summary = f"typed “{letters}” into {name}"
        return self._do(
            _Deed(kind="block_suggestion", payload=payload, user=user, channel="", summary=summary)
        )

    def shortcut(self, callback_id: str, user: str) -> Delivery:
        """Choose a global shortcut, beside the message box. Raises LookupError for one that is not there."""
        self._demand_shortcut("global", callback_id)
        payload = payloads.shortcut(self._occasion(user, None, None, None), callback_id)
        summary = f"chose the shortcut {callback_id}"
        return self._do(_Deed(kind="shortcut", payload=payload, user=user, channel="", summary=summary))

    def message_shortcut(self, callback_id: str, message: Message, user: str) -> Delivery:
        """Choose a shortcut from a message's own menu. Raises LookupError for one that is not there."""
        self._demand_shortcut("message", callback_id)
        where = self._channel(message.channel)
        path = self._workspace.response_urls.issue(user, where.id)
        shown = message_payload(self._workspace, message, with_metadata=False)
        payload = payloads.message_action(self._occasion(user, where, None, path), callback_id, shown)
        summary = f"chose the shortcut {callback_id} on a message"
        return self._do(
            _Deed(kind="message_action", payload=payload, user=user, channel=where.id, summary=summary)
        )

    def open_home(self, user: str) -> Delivery:
        """Open the bot's Home page."""
        person = self._user(user)
        where = self._workspace.world.direct_channel(user)
        home = self._workspace.views.home(user)
        payload = payloads.home_event(person, where, None if home is None else home.payload())
        return self._do(
            _Deed(kind="home", payload=payload, user=user, channel=where.id, summary="opened Home")
        )

    def _demand_shortcut(self, kind: str, callback_id: str) -> None:
        """Slack shows those of the app's manifest."""
        declared = [one["callback_id"] for one in self._workspace.shortcuts if one["type"] == kind]
        if callback_id not in declared:
            raise LookupError(f"There is no {kind} shortcut {callback_id}. There are: {declared}.")

    # -- steps ----------------------------------------------------------------------------------------------

    def _user(self, user: str) -> User:
        found = self._workspace.world.users.get(user)
        if found is None:
            raise LookupError(f"There is no user {user} in the playground. Add one with add_user.")
        return found

    def _channel(self, channel: str) -> Channel:
        world = self._workspace.world
        if channel in world.users:
            return world.direct_channel(channel)
        found = world.channels.get(channel)
        if found is None:
            raise LookupError(f"There is no channel {channel} in the playground. Add one with add_channel.")
        return found

    def _write(
        self,
        text: str,
        user: str,
        where: Channel,
        thread_ts: str | None,
        files: Sequence[StoredFile] = (),
    ) -> Message:
        self._user(user)
        names = tuple(file.id for file in files)
        draft = Draft(channel=where.id, user=user, text=text, thread_ts=thread_ts, files=names)
        return self._workspace.world.post(draft)

    def _occasion(
        self, user: str, where: Channel | None, trigger_id: str | None, path: str | None
    ) -> Occasion:
        return Occasion(
            user=self._user(user),
            channel=where,
            trigger_id=self._workspace.triggers.issue(user, trigger_id),
            response_url=None if path is None else self._workspace.base_url + path,
        )

    def _do(self, deed: _Deed) -> Delivery:
        return self._send(self._delivery(deed))

    def _do_if_allowed(self, deed: _Deed, event: str) -> Delivery:
        scope = EVENT_SCOPES[event]
        if scope is not None and scope not in self._workspace.scopes:
            return self._refuse(deed, f"missing_scope: {scope}")
        return self._do(deed)

    def _refuse(self, deed: _Deed, why: str) -> Delivery:
        delivery = self._delivery(deed)
        delivery.error = why
        return self._workspace.world.add_delivery(delivery)

    def _delivery(self, deed: _Deed) -> Delivery:
        return Delivery(
            id=f"env-{secrets.token_hex(12)}",
            kind=deed.kind,
            payload=deed.payload,
            user=deed.user,
            channel=deed.channel,
            order=self._workspace.world.next_order(),
            summary=deed.summary,
        )


def _label(action: Json) -> str:
    return str(action.get("text", {}).get("text") or action["action_id"])


def _action(blocks: Iterable[Json], wanted: str) -> Json:
    """The action of pressing the element whose action_id, value or label is `wanted`."""
    seen = []
    for block in blocks:
        elements = [*_list(block.get("elements")), block.get("accessory")]
        for element in elements:
            if not isinstance(element, dict) or "action_id" not in element:
                continue
            label = element.get("text", {}).get("text")
            if wanted in (element["action_id"], element.get("value"), label):
                return _pressed(block, element)
            seen.append(str(label or element["action_id"]))
    raise LookupError(f"There is no button “{wanted}” here. The buttons are: {', '.join(seen) or 'none'}.")


def _pressed(block: Json, element: Json) -> Json:
    keys = ("action_id", "type", "text", "value", "style")
    action = {key: element[key] for key in keys if key in element}
    return action | {"block_id": block["block_id"], "action_ts": f"{secrets.randbelow(10**9)}.000001"}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
