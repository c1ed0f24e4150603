"""What the bot's direct answers cause: ack payloads and posts to response URLs.

Knows what an answer means; how it travelled is no concern of it.
"""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from bot.playground.arguments import ApiError, decode
from bot.playground.blockkit_text import Findings, check_options
from bot.playground.content import checked_blocks, checked_metadata, checked_text, demand_something
from bot.playground.methods_views import checked_view
from bot.playground.records import BOT_USER_ID, Delivery, Draft, Json, Version
from bot.playground.response_urls import ResponseUrl
from bot.playground.workspace import Workspace

NOT_FOUND: Final = ("invalid_url", "expired_url", "used_url")


class Answers:
    """Carries out ack payloads and serves `POST /commands/…` and `POST /actions/…`."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    # -- acks -----------------------------------------------------------------------------------------------

    def carry_out_ack(self, delivery: Delivery) -> str | None:
        """Do what an ack payload asks for; returns the error the person sees, or None."""
        try:
            if delivery.kind == "slash":
                self._slash_ack(delivery)
            elif delivery.kind == "view_submission":
                self._submission_ack(delivery)
            elif delivery.kind == "block_suggestion":
                self._suggestion_ack(delivery)
        except ApiError as error:
            return error.code
        return None

    def _slash_ack(self, delivery: Delivery) -> None:
        payload = delivery.ack_payload
        if isinstance(payload, str):
            payload = {"text": payload}
        if not isinstance(payload, dict) or not (payload.get("text") or payload.get("blocks")):
            return
        self._post(payload, delivery.channel, delivery.user)

    def _submission_ack(self, delivery: Delivery) -> None:
        views = self._workspace.views
        view = views.get(str(delivery.payload["view"]["id"]))
        if view is None:
            return
        answer = delivery.ack_payload if isinstance(delivery.ack_payload, dict) else {}
        action = answer.get("response_action")
        if action == "errors":
            self._demand_input_blocks(view.body, answer.get("errors"))
        elif action == "update":
            views.update(view, checked_view(self._workspace, answer.get("view")))
        elif action == "push":
            views.open(view.user, checked_view(self._workspace, answer.get("view")), root_id=view.root_id)
        else:
            views.close(view, whole_stack=action == "clear")

    def _suggestion_ack(self, delivery: Delivery) -> None:
        """What was offered can be chosen from now on. Raises ApiError for options that Slack would not show."""
        answer = delivery.ack_payload if isinstance(delivery.ack_payload, dict) else {}
        groups = answer.get("option_groups") or [{"options": answer.get("options") or []}]
        options = [option for group in groups for option in group["options"]]
        findings = Findings()
        if options:
            check_options(findings, options, "/options", 100)
        if findings.messages:
            raise ApiError(f"invalid_options: {findings.messages[0]}")
        view = self._workspace.views.get(str(delivery.payload["view"]["id"]))
        if view is not None:
            known = view.offered.setdefault(str(delivery.payload["block_id"]), {})
            known.update({str(option["value"]): option for option in options})

    @staticmethod
    def _demand_input_blocks(body: Json, errors: Any) -> None:
        """Raises ApiError when an error does not belong to an input block of the form."""
        inputs = {block.get("block_id") for block in body["blocks"] if block.get("type") == "input"}
        if not isinstance(errors, dict) or not errors or not inputs.issuperset(errors):
            raise ApiError("invalid_errors")

    # -- response URLs --------------------------------------------------------------------------------------

    async def endpoint(self, request: Request) -> Response:
        """One post to a response URL."""
        body = await request.body()
        try:
            args = decode("application/json", body)
        except ApiError:
            return PlainTextResponse("invalid_payload", 400)
        url, refusal = self._workspace.response_urls.use(request.url.path)
        if url is None:
            return PlainTextResponse(refusal or "invalid_url", 404)
        try:
            self._respond(url, args)
        except ApiError as error:
            return PlainTextResponse(error.code, 400)
        return PlainTextResponse("ok")

    def _respond(self, url: ResponseUrl, args: Json) -> None:
        world = self._workspace.world
        if args.get("delete_original"):
            if url.source is None:
                raise ApiError("no_text")
            world.delete(url.source)
        elif args.get("replace_original") and url.source is not None and not url.source.deleted:
            text, _ = checked_text(args)
            blocks = checked_blocks(self._workspace, args)
            demand_something(args, text, blocks)
            metadata = checked_metadata(args) or url.source.metadata
            world.edit(url.source, Version(text=text, blocks=blocks, metadata=metadata))
        else:
            self._post(args, url.channel, url.user)

    def _post(self, args: Json, channel: str, user: str) -> None:
        """Post an answer where the person acted, seen by them alone unless it says `in_channel`."""
        text, _ = checked_text(args)
        blocks = checked_blocks(self._workspace, args)
        demand_something(args, text, blocks)
        public = args.get("response_type") == "in_channel"
        draft = Draft(
            channel=channel,
            user=BOT_USER_ID,
            text=text,
            blocks=blocks,
            metadata=checked_metadata(args),
            thread_ts=str(args.get("thread_ts") or "") or None,
            ephemeral_for=None if public else user,
        )
        self._workspace.world.post(draft)
