"""The views.* methods of the Web API."""

from __future__ import annotations

from typing import Any, Final

from bot.playground import blockkit
from bot.playground.arguments import ApiError, invalid, need
from bot.playground.method import Method
from bot.playground.pictures import picture_problems
from bot.playground.places import user_of
from bot.playground.rates import Tier
from bot.playground.records import Json
from bot.playground.views import STACK_LIMIT, View
from bot.playground.workspace import Workspace


def checked_view(workspace: Workspace, body: Any) -> Json:
    """A view the bot sent. Raises ApiError `invalid_arguments` or `view_too_large`."""
    if blockkit.view_too_large(body):
        raise ApiError("view_too_large")
    problems = blockkit.view_problems(body) or picture_problems(workspace, body["blocks"], "/view/blocks")
    if problems:
        raise invalid("invalid_arguments", problems)
    return dict(body)


def _demand_free_external_id(workspace: Workspace, body: Json, but: View | None = None) -> None:
    external_id = body.get("external_id")
    taken = workspace.views.by_external_id(external_id) if external_id else None
    if taken is not None and taken is not but:
        raise ApiError("duplicate_external_id")


def _user_of_trigger(workspace: Workspace, args: Json) -> str:
    user, refusal = workspace.triggers.exchange(need(args, "trigger_id"))
    if refusal is not None:
        raise ApiError(refusal)
    return user


def open_view(workspace: Workspace, args: Json) -> Json:
    """views.open."""
    body = checked_view(workspace, args.get("view"))
    _demand_free_external_id(workspace, body)
    view = workspace.views.open(_user_of_trigger(workspace, args), body)
    workspace.world.touch()
    return {"view": view.payload()}


def push_view(workspace: Workspace, args: Json) -> Json:
    """views.push onto the form that is open for the user."""
    body = checked_view(workspace, args.get("view"))
    user = _user_of_trigger(workspace, args)
    below = workspace.views.open_modals(user)
    if not below:
        raise ApiError("not_found")
    if workspace.views.stack_height(below[-1]) >= STACK_LIMIT:
        raise ApiError("push_limit_reached")
    view = workspace.views.open(user, body, root_id=below[-1].root_id)
    workspace.world.touch()
    return {"view": view.payload()}


def update_view(workspace: Workspace, args: Json) -> Json:
    """views.update; a wrong hash is refused, a closed form is not found."""
    body = checked_view(workspace, args.get("view"))
    if args.get("external_id"):
        view = workspace.views.by_external_id(str(args["external_id"]))
    else:
        view = workspace.views.get(need(args, "view_id"))
    if view is None:
        raise ApiError("not_found")
    if args.get("hash") not in (None, "", view.hash):
        raise ApiError("hash_conflict")
    _demand_free_external_id(workspace, body, view)
    workspace.views.update(view, body)
    workspace.world.touch()
    return {"view": view.payload()}


def publish_view(workspace: Workspace, args: Json) -> Json:
    """views.publish: the Home page of one user; refused while the app's Home tab is off."""
    user = user_of(workspace, need(args, "user_id"))
    if not workspace.home_tab_on:
        raise ApiError("not_enabled")
    body = checked_view(workspace, args.get("view"))
    home = workspace.views.home(user.id)
    if home is not None and args.get("hash") not in (None, "", home.hash):
        raise ApiError("hash_conflict")
    view = workspace.views.publish(user.id, body)
    workspace.world.touch()
    return {"view": view.payload()}


VIEW_METHODS: Final = (
    Method("views.open", open_view, Tier.FOUR),
    Method("views.push", push_view, Tier.FOUR),
    Method("views.update", update_view, Tier.FOUR),
    Method("views.publish", publish_view, Tier.FOUR),
)
