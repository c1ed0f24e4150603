"""Methods about the app and its people: auth.test, apps.connections.open, users.*, usergroups.*."""

from __future__ import annotations

from typing import Final

from bot.playground.arguments import ApiError, flag, need
from bot.playground.method import Method
from bot.playground.places import user_of
from bot.playground.rates import Tier
from bot.playground.records import (
    APP_ID,
    BOT_ID,
    BOT_NAME,
    BOT_USER_ID,
    TEAM_DOMAIN,
    TEAM_ID,
    Json,
    User,
    UserGroup,
)
from bot.playground.workspace import Workspace


def auth_test(workspace: Workspace, _args: Json) -> Json:
    """auth.test."""
    return {
        "url": f"{workspace.base_url}/",
        "team": TEAM_DOMAIN,
        "user": BOT_NAME,
        "team_id": TEAM_ID,
        "user_id": BOT_USER_ID,
        "bot_id": BOT_ID,
        "is_enterprise_install": False,
    }


def bot_info(workspace: Workspace, args: Json) -> Json:
    """bots.info; only the app's own bot is known."""
    if need(args, "bot") != BOT_ID:
        raise ApiError("bot_not_found")
    bot = {
        "id": BOT_ID,
        "deleted": False,
        "name": BOT_NAME,
        "app_id": workspace.app_id,
        "user_id": BOT_USER_ID,
    }
    return {"bot": bot}


def open_connection(workspace: Workspace, _args: Json) -> Json:
    """apps.connections.open: a single-use address for one socket. Refused while Socket Mode is off."""
    if not workspace.socket_mode_on:
        raise ApiError("access_denied")
    address = workspace.base_url.replace("http://", "ws://", 1)
    return {"url": f"{address}/link/?ticket={workspace.tickets.issue()}&app_id={APP_ID}"}


def _shown(user: User, *, with_locale: bool) -> Json:
    shown: Json = {
        "id": user.id,
        "team_id": user.team_id,
        "name": user.name,
        "real_name": user.real_name or user.name,
        "deleted": user.deleted,
        "is_bot": user.is_bot,
        "is_admin": user.is_admin,
        "is_owner": False,
        "is_restricted": user.is_restricted,
        "is_ultra_restricted": user.is_ultra_restricted,
        "tz": user.tz,
        "profile": {"real_name": user.real_name or user.name, "display_name": user.name},
    }
    if user.is_stranger:
        shown["is_stranger"] = True
    return shown | {"locale": user.locale} if with_locale else shown


def user_info(workspace: Workspace, args: Json) -> Json:
    """users.info."""
    user = user_of(workspace, need(args, "user"))
    return {"user": _shown(user, with_locale=flag(args, "include_locale"))}


def groups(workspace: Workspace, args: Json) -> Json:
    """usergroups.list; disabled ones only when they are asked for."""
    found = workspace.world.groups.values()
    with_disabled, with_users = flag(args, "include_disabled"), flag(args, "include_users")
    shown = [_group(one, with_users=with_users) for one in found if with_disabled or not one.is_disabled]
    return {"usergroups": shown}


def _group(group: UserGroup, *, with_users: bool) -> Json:
    shown: Json = {
        "id": group.id,
        "team_id": TEAM_ID,
        "is_usergroup": True,
        "name": group.handle,
        "handle": group.handle,
        "date_delete": int(group.is_disabled),
        "user_count": len(group.users),
    }
    return shown | {"users": list(group.users)} if with_users else shown


def group_users(workspace: Workspace, args: Json) -> Json:
    """usergroups.users.list. Raises `no_such_subteam` for a group that is not there, or disabled and not asked for."""
    group = workspace.world.groups.get(need(args, "usergroup"))
    if group is None or (group.is_disabled and not flag(args, "include_disabled")):
        raise ApiError("no_such_subteam")
    return {"users": list(group.users)}


TEAM_METHODS: Final = (
    Method("auth.test", auth_test, Tier.SPECIAL),
    Method("bots.info", bot_info, Tier.THREE, ("users:read",)),
    Method("apps.connections.open", open_connection, Tier.THREE, ("connections:write",), app_level=True),
    Method("users.info", user_info, Tier.FOUR, ("users:read",)),
    Method("usergroups.list", groups, Tier.TWO, ("usergroups:read",)),
    Method("usergroups.users.list", group_users, Tier.TWO, ("usergroups:read",)),
)
