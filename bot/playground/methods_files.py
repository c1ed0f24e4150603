"""The files.* methods of the Web API: upload in three steps, look, delete."""

from __future__ import annotations

from typing import Final

from bot.playground.arguments import ApiError, need, number
from bot.playground.files import StoredFile
from bot.playground.method import Method
from bot.playground.places import joined_channel
from bot.playground.rates import Tier
from bot.playground.records import BOT_USER_ID, Draft, Json
from bot.playground.workspace import Workspace

_LONGEST_ALT: Final = 1_000


def get_upload_url(workspace: Workspace, args: Json) -> Json:
    """files.getUploadURLExternal; a length of 0 counts as missing."""
    name, length = need(args, "filename"), number(args, "length", 0)
    if length <= 0:
        raise ApiError("missing_argument")
    said = str(args.get("alt_txt") or "")
    if len(said) > _LONGEST_ALT:
        raise ApiError("alt_txt_too_large")
    file = workspace.files.promise(name, length, alt=said)
    return {"file_id": file.id, "upload_url": f"{workspace.base_url}/upload/{file.id}/{file.secret}"}


def _uploaded(workspace: Workspace, wanted: Json) -> StoredFile:
    file = workspace.files.get(str(wanted.get("id")))
    if file is None or file.content is None:
        raise ApiError("file_not_found")
    return file


def complete_upload(workspace: Workspace, args: Json) -> Json:
    """files.completeUploadExternal; with a channel the files appear there as one message."""
    wanted = args.get("files")
    if not isinstance(wanted, list) or not wanted:
        raise ApiError("invalid_arguments")
    uploaded = [(_uploaded(workspace, one), str(one.get("title") or "")) for one in wanted]
    named = str(args.get("channel_id") or args.get("channels") or "")
    channels = [joined_channel(workspace, one).id for one in named.split(",") if one]
    stored = [workspace.files.share(f, title, None) for f, title in uploaded]
    for channel in channels:
        stored = [workspace.files.share(file, "", channel) for file in stored]
        draft = Draft(
            channel=channel,
            user=BOT_USER_ID,
            text=str(args.get("initial_comment") or ""),
            thread_ts=str(args.get("thread_ts") or "") or None,
            files=tuple(file.id for file in stored),
        )
        workspace.world.post(draft)
    return {"files": [file.payload(workspace.base_url) for file in stored]}


def _known(workspace: Workspace, args: Json) -> StoredFile:
    file = workspace.files.get(need(args, "file"))
    if file is None:
        raise ApiError("file_not_found")
    return file


def file_info(workspace: Workspace, args: Json) -> Json:
    """files.info."""
    return {"file": _known(workspace, args).payload(workspace.base_url), "comments": []}


def delete_file(workspace: Workspace, args: Json) -> Json:
    """files.delete, of the bot's own files."""
    file = _known(workspace, args)
    if file.user != BOT_USER_ID:
        raise ApiError("cant_delete_file")
    workspace.files.delete(file)
    return {}


FILE_METHODS: Final = (
    Method("files.getUploadURLExternal", get_upload_url, Tier.FOUR, ("files:write",)),
    Method("files.completeUploadExternal", complete_upload, Tier.FOUR, ("files:write",)),
    Method("files.info", file_info, Tier.FOUR, ("files:read",)),
    Method("files.delete", delete_file, Tier.THREE, ("files:write",)),
)
