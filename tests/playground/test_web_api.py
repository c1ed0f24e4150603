"""The Web API through slack_sdk: messages, channels, tokens, scopes, files, forms."""

from __future__ import annotations

import urllib.request
from functools import partial
from typing import Any

import pytest
from playground_wire import button, client_of, section
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.playground import DEFAULT_SCOPES, Channel, Playground, User, UserGroup

pytestmark = pytest.mark.slack


def refused(call: Any, **args: Any) -> str:
    """The error code a call is refused with."""
    with pytest.raises(SlackApiError) as caught:
        call(**args)
    return str(caught.value.response["error"])


def test_a_message_is_posted_and_edited_in_place(playground: Playground, client: WebClient) -> None:
    """chat.update changes the same message and keeps its earlier version and its metadata."""
    metadata = {"event_type": "run", "event_payload": {"id": 7}}
    ts = client.chat_postMessage(channel="C0OPS", text="running", blocks=[section("a")], metadata=metadata)[
        "ts"
    ]
    client.chat_update(channel="C0OPS", ts=ts, text="done")
    message = playground.world.message("C0OPS", ts)
    assert message is not None
    assert (message.text, message.blocks, message.edits) == ("done", (), 1)
    assert [version.text for version in message.history] == ["running"]
    assert message.metadata == metadata


@pytest.mark.filterwarnings("ignore:The top-level `text` argument")
def test_blocks_without_text_leave_no_text(playground: Playground, client: WebClient) -> None:
    """An update with blocks alone loses the notification text, as Slack does."""
    ts = client.chat_postMessage(channel="C0OPS", text="running")["ts"]
    client.chat_update(channel="C0OPS", ts=ts, blocks=[section("a")])
    message = playground.world.message("C0OPS", ts)
    assert message is not None
    assert message.text == ""
    assert len(message.blocks) == 1


def test_timestamps_are_unique_and_grow(client: WebClient) -> None:
    """No two messages share a ts, and later ones are greater."""
    stamps = [client.chat_postMessage(channel="C0OPS", text=str(n))["ts"] for n in range(5)]
    assert stamps == sorted(set(stamps), key=float)


def test_an_ephemeral_message_cannot_be_updated_and_is_not_in_history(client: WebClient) -> None:
    """chat.update refuses an ephemeral message, and conversations.history does not show it."""
    ts = client.chat_postEphemeral(channel="C0OPS", user="U0ANN", text="psst")["message_ts"]
    assert refused(client.chat_update, channel="C0OPS", ts=ts, text="x") == "cant_update_message"
    assert client.conversations_history(channel="C0OPS")["messages"] == []


def test_history_is_newest_first_and_cut_by_oldest_latest_and_limit(client: WebClient) -> None:
    """Both ends are exclusive, replies are left out, metadata comes on request."""
    metadata = {"event_type": "run", "event_payload": {}}
    posted = [
        client.chat_postMessage(channel="C0OPS", text=str(n), metadata=metadata)["ts"] for n in range(4)
    ]
    client.chat_postMessage(channel="C0OPS", text="reply", thread_ts=posted[0])
    page = client.conversations_history(channel="C0OPS", oldest=posted[0], latest=posted[3], limit=1)
    assert [m["text"] for m in page["messages"]] == ["2"]
    assert page["has_more"] is True
    assert "metadata" not in page["messages"][0]
    full = client.conversations_history(channel="C0OPS", include_all_metadata=True)
    assert [m["text"] for m in full["messages"]] == ["3", "2", "1", "0"]
    assert full["messages"][0]["metadata"] == metadata
    assert [m["text"] for m in client.conversations_replies(channel="C0OPS", ts=posted[0])["messages"]] == [
        "0",
        "reply",
    ]


@pytest.mark.filterwarnings("ignore:The top-level `text` argument")
@pytest.mark.parametrize(
    ("args", "error"),
    [
        ({"channel": "C0NONE", "text": "x"}, "channel_not_found"),
        ({"channel": "C0RANDOM", "text": "x"}, "not_in_channel"),
        ({"channel": "C0OLD", "text": "x"}, "is_archived"),
        ({"channel": "C0OPS"}, "no_text"),
        ({"channel": "C0OPS", "text": "x", "thread_ts": "1.2"}, "cannot_reply_to_message"),
        ({"channel": "C0OPS", "text": "x", "metadata": {"event_type": "a"}}, "invalid_metadata_format"),
    ],
)
def test_a_post_is_refused_with_slacks_own_code(
    playground: Playground, client: WebClient, args: dict[str, Any], error: str
) -> None:
    """Wrong places and empty messages are refused and nothing is stored."""
    playground.add_channel(Channel(id="C0OLD", name="old", is_archived=True))
    assert refused(client.chat_postMessage, **args) == error
    assert playground.world.messages() == ()


def test_an_update_is_refused_when_too_long_foreign_or_gone(
    playground: Playground, client: WebClient
) -> None:
    """4,001 characters, other people's messages and unknown ones have their own codes."""
    own = client.chat_postMessage(channel="C0OPS", text="x")["ts"]
    foreign = playground.say("mine").ts
    assert client.chat_update(channel="C0OPS", ts=own, text="y" * 4000)["ok"]
    assert refused(client.chat_update, channel="C0OPS", ts=own, text="y" * 4001) == "msg_too_long"
    assert refused(client.chat_update, channel="C0OPS", ts=foreign, text="y") == "cant_update_message"
    client.chat_delete(channel="C0OPS", ts=own)
    assert refused(client.chat_update, channel="C0OPS", ts=own, text="y") == "message_not_found"


def test_a_very_long_post_is_cut_with_a_warning(playground: Playground, client: WebClient) -> None:
    """chat.postMessage takes 40,000 characters and says that it cut the rest."""
    answer = client.chat_postMessage(channel="C0OPS", text="x" * 40_001)
    assert answer["warning"] == "message_truncated"
    assert len(playground.world.messages("C0OPS")[0].text) == 40_000


def test_posting_to_a_user_reaches_the_direct_message(client: WebClient) -> None:
    """A user id as channel gives the D… channel, the one that conversations.open gives too."""
    channel = client.chat_postMessage(channel="U0BOB", text="hello")["channel"]
    assert channel == client.conversations_open(users="U0BOB")["channel"]["id"] == "D0BOB"
    assert client.conversations_info(channel=channel)["channel"]["user"] == "U0BOB"


def test_tokens_are_checked(playground: Playground) -> None:
    """No token, a wrong one and the wrong kind are three different errors."""
    assert refused(client_of(playground, "").auth_test) == "not_authed"
    assert refused(client_of(playground, "xoxb-wrong").auth_test) == "invalid_auth"
    assert refused(client_of(playground, playground.app_token).auth_test) == "not_allowed_token_type"
    wrong = client_of(playground).apps_connections_open
    assert refused(wrong, app_token=playground.bot_token) == "not_allowed_token_type"


def test_unknown_methods_are_refused(client: WebClient) -> None:
    """A method the stand-in does not have is unknown_method."""
    assert refused(client.api_call, api_method="team.nonsense") == "unknown_method"


def test_a_missing_scope_is_named() -> None:
    """missing_scope says what is needed and provided, in the body and in the headers."""
    with Playground(scopes={"users:read"}) as playground, pytest.raises(SlackApiError) as caught:
        client_of(playground).chat_postMessage(channel="C0OPS", text="x")
    answer = caught.value.response
    assert (answer["error"], answer["needed"], answer["provided"]) == (
        "missing_scope",
        "chat:write",
        "users:read",
    )
    headers = {name.lower(): value for name, value in answer.headers.items()}
    assert headers["x-oauth-scopes"] == "users:read"
    assert headers["x-accepted-oauth-scopes"] == "chat:write"


def test_reading_needs_the_scope_of_the_channels_kind() -> None:
    """History of a direct message needs im:history even when channels:history is there."""
    with Playground(scopes=DEFAULT_SCOPES - {"im:history"}) as playground:
        client = client_of(playground)
        channel = client.conversations_open(users="U0ANN")["channel"]["id"]
        assert refused(client.conversations_history, channel=channel) == "missing_scope"
        assert client.conversations_history(channel="C0OPS")["ok"]


def test_chat_write_public_opens_public_channels_only() -> None:
    """With chat:write.public the bot may post where it is no member, unless it is private; not share files there."""
    with Playground(scopes={*DEFAULT_SCOPES, "chat:write.public"}) as playground:
        client = client_of(playground)
        playground.add_channel(Channel(id="G0SECRET", name="secret", is_private=True))
        assert client.chat_postMessage(channel="C0RANDOM", text="x")["ok"]
        assert refused(client.chat_postMessage, channel="G0SECRET", text="x") == "channel_not_found"
        files = [{"id": uploaded(client, "a.txt", b"x"), "title": "a"}]
        share = partial(client.files_completeUploadExternal, files=files)
        assert refused(share, channel_id="C0RANDOM") == "not_in_channel"
        assert share(channel_id="C0OPS")["ok"]


def test_a_mention_without_its_scope_is_not_delivered() -> None:
    """Slack sends no app_mention to an app without app_mentions:read, nor from channels it is not in."""
    with Playground(scopes=DEFAULT_SCOPES - {"app_mentions:read"}) as playground:
        assert playground.mention("x").error == "missing_scope: app_mentions:read"
    with Playground() as playground:
        assert playground.mention("x", channel="C0RANDOM").error == "not_in_channel"


def test_people_are_described_with_zone_and_language(client: WebClient) -> None:
    """users.info gives tz always and locale on request; unknown users are not found."""
    user = client.users_info(user="U0ANN", include_locale=True)["user"]
    assert (user["tz"], user["locale"], user["is_admin"]) == ("Etc/UTC", "en-US", True)
    assert "locale" not in client.users_info(user="U0ANN")["user"]
    assert refused(client.users_info, user="U0NONE") == "user_not_found"


def test_user_groups_have_members_that_change(playground: Playground, client: WebClient) -> None:
    """As long as they are there and not disabled; guests, strangers and the deactivated are shown as such."""
    assert refused(client.usergroups_users_list, usergroup="S0OPS") == "no_such_subteam"
    playground.add_group(UserGroup(id="S0OPS", handle="ops", users=("U0ANN", "U0BOB")))
    assert client.usergroups_users_list(usergroup="S0OPS")["users"] == ["U0ANN", "U0BOB"]
    playground.add_group(UserGroup(id="S0OPS", handle="ops", users=("U0BOB",)))
    assert client.usergroups_users_list(usergroup="S0OPS")["users"] == ["U0BOB"]
    (shown,) = client.usergroups_list(include_users=True)["usergroups"]
    assert (shown["handle"], shown["user_count"], shown["users"]) == ("ops", 1, ["U0BOB"])
    playground.add_group(UserGroup(id="S0OPS", handle="ops", users=("U0BOB",), is_disabled=True))
    assert refused(client.usergroups_users_list, usergroup="S0OPS") == "no_such_subteam"
    assert client.usergroups_list()["usergroups"] == []
    playground.add_user(User(id="U0EVE", name="eve", team_id="T0ELSE", is_stranger=True, is_restricted=True))
    eve = client.users_info(user="U0EVE")["user"]
    assert (eve["team_id"], eve["is_stranger"], eve["is_restricted"]) == ("T0ELSE", True, True)
    assert "is_stranger" not in client.users_info(user="U0ANN")["user"]


def test_a_file_is_uploaded_shared_and_downloaded(playground: Playground, client: WebClient) -> None:
    """files_upload_v2 works, the file stands in the channel, and only the token's bearer gets its bytes."""
    client.files_upload_v2(filename="log.txt", content="line\n", channel="C0OPS", initial_comment="the log")
    message = playground.world.messages("C0OPS")[-1]
    assert message.text == "the log"
    stored = playground.files.get(message.files[0])
    assert stored is not None
    assert stored.content == b"line\n"
    url = client.files_info(file=stored.id)["file"]["url_private_download"]
    good = urllib.request.Request(url, headers={"Authorization": f"Bearer {playground.bot_token}"})
    with urllib.request.urlopen(good) as answer:
        assert answer.read() == b"line\n"
    with urllib.request.urlopen(url) as answer:
        assert b"Sign in" in answer.read()


PIXEL = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00:~\x9bU"
    b"\x00\x00\x00\nIDATx\x9cc`\x00\x00\x00\x02\x00\x01H\xaf\xa4q\x00\x00\x00\x00IEND\xaeB`\x82"
)


def uploaded(client: WebClient, name: str, content: bytes) -> str:
    """A file's id after the first two steps of an upload."""
    announced = client.files_getUploadURLExternal(filename=name, length=len(content))
    urllib.request.urlopen(urllib.request.Request(announced["upload_url"], data=content)).close()
    return str(announced["file_id"])


def home(file_id: str) -> dict[str, Any]:
    """A Home page that shows a file."""
    return {"type": "home", "blocks": [{"type": "image", "alt_text": "x", "slack_file": {"id": file_id}}]}


def test_a_picture_is_shown_once_it_is_processed() -> None:
    """A Home page, or a message, may show an uploaded picture only when the upload is complete and processed."""
    now = [1_800_000_000.0]
    with Playground(clock=lambda: now[0]) as playground:
        playground.files.processing_seconds = 2.0
        client = client_of(playground)
        file_id = uploaded(client, "trend.png", PIXEL)
        publish = partial(client.views_publish, user_id="U0ANN", view=home(file_id))
        assert refused(publish) == "invalid_arguments"
        client.files_completeUploadExternal(files=[{"id": file_id, "title": "trend"}])
        with pytest.raises(SlackApiError) as caught:
            publish()
        (problem,) = caught.value.response["response_metadata"]["messages"]
        assert problem == "[ERROR] invalid slack file [json-pointer:/view/blocks/0/slack_file]"
        now[0] += 2.0
        publish()
        blocks = home(file_id)["blocks"]
        client.chat_postMessage(channel="C0OPS", text="x", blocks=blocks)
        client.files_delete(file=file_id)
        assert refused(publish) == "invalid_arguments"
        assert refused(client.chat_postMessage, channel="C0OPS", text="x", blocks=blocks) == "invalid_blocks"


def test_what_is_no_picture_is_not_shown(playground: Playground, client: WebClient) -> None:
    """A file that is no picture, whatever its name says, and one that never was cannot be shown."""
    playground.files.processing_seconds = 0.0
    file_id = uploaded(client, "trend.png", b"text")
    client.files_completeUploadExternal(files=[{"id": file_id, "title": "trend"}])
    for shown in (file_id, "F0NONE"):
        assert refused(client.views_publish, user_id="U0ANN", view=home(shown)) == "invalid_arguments"


def test_a_home_tab_that_is_off_takes_no_page(playground: Playground, client: WebClient) -> None:
    """An app without a Home tab is told so."""
    playground.home_tab_on = False
    view = {"type": "home", "blocks": [{"type": "divider"}]}
    assert refused(client.views_publish, user_id="U0ANN", view=view) == "not_enabled"


def modal(**more: Any) -> dict[str, Any]:
    """A form with one text field."""
    label = {"type": "plain_text", "text": "Volume"}
    field = {"type": "input", "block_id": "volume", "label": label}
    field["element"] = {"type": "plain_text_input", "action_id": "name"}
    title = {"type": "plain_text", "text": "Backup"}
    return {"type": "modal", "title": title, "submit": label, "blocks": [field], **more}


def test_a_trigger_opens_one_form_within_three_seconds() -> None:
    """A trigger id is good once and for three seconds, and must be one that was issued."""
    now = [1_800_000_000.0]
    with Playground(clock=lambda: now[0]) as playground:
        client = client_of(playground)
        playground.slash("/backup", trigger_id="1.1.a")
        assert client.views_open(trigger_id="1.1.a", view=modal())["view"]["id"]
        assert refused(client.views_open, trigger_id="1.1.a", view=modal()) == "exchanged_trigger_id"
        playground.slash("/backup", trigger_id="1.1.b")
        now[0] += 3.1
        assert refused(client.views_open, trigger_id="1.1.b", view=modal()) == "expired_trigger_id"
        assert refused(client.views_open, trigger_id="9.9.z", view=modal()) == "invalid_trigger_id"


def test_a_form_is_updated_under_its_hash(playground: Playground, client: WebClient) -> None:
    """views.update needs the present hash, and a closed form is not found."""
    playground.slash("/backup", trigger_id="1.1.a")
    view = client.views_open(trigger_id="1.1.a", view=modal())["view"]
    client.views_update(view_id=view["id"], hash=view["hash"], view=modal(callback_id="second"))
    assert (
        refused(client.views_update, view_id=view["id"], hash=view["hash"], view=modal()) == "hash_conflict"
    )
    playground.views.close(playground.views.open_modals()[0])
    assert refused(client.views_update, view_id=view["id"], view=modal()) == "not_found"


def test_a_form_without_submit_is_refused_with_details(playground: Playground, client: WebClient) -> None:
    """An input asks for a submit button; the answer says so in response_metadata."""
    playground.slash("/backup", trigger_id="1.1.a")
    bad = {key: value for key, value in modal().items() if key != "submit"}
    with pytest.raises(SlackApiError) as caught:
        client.views_open(trigger_id="1.1.a", view=bad)
    assert caught.value.response["error"] == "invalid_arguments"
    assert "submit is required" in caught.value.response["response_metadata"]["messages"][0]


def test_form_bodies_are_read_like_json(playground: Playground, client: WebClient) -> None:
    """A form body with JSON text in its fields posts the same message as a JSON body."""
    fields = {"channel": "C0OPS", "text": "x", "blocks": '[{"type": "divider"}]'}
    client.api_call("chat.postMessage", data=fields)
    assert playground.world.messages("C0OPS")[0].blocks[0]["type"] == "divider"


def test_every_call_is_logged_without_its_token(playground: Playground, client: WebClient) -> None:
    """The log knows method, arguments and error of each call, and no token."""
    client.chat_postMessage(channel="C0OPS", blocks=[{"type": "actions", "elements": [button()]}], text="x")
    refused(client.chat_postMessage, channel="C0NONE", text="x")
    good, bad = playground.world.calls("chat.postMessage")
    assert (good.status, good.error, bad.error) == (200, None, "channel_not_found")
    assert playground.bot_token not in str((good, bad))
