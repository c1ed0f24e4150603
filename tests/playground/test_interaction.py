"""Buttons, response URLs and forms, through Bolt and slack_sdk."""

from __future__ import annotations

from typing import Any

import pytest
from playground_wire import Bot, ack, bare_socket, button, client_of, receive, section
from slack_sdk import WebClient
from slack_sdk.webhook import WebhookClient

from bot.playground import Message, Playground

pytestmark = pytest.mark.slack


def with_button(playground: Playground, client: WebClient, **more: Any) -> Message:
    """A message of the bot with the button `Go`."""
    blocks = [section("Go?"), {"type": "actions", "elements": [button(**more)]}]
    ts = client.chat_postMessage(channel="C0OPS", text="Go?", blocks=blocks)["ts"]
    message = playground.world.message("C0OPS", ts)
    assert message is not None
    return message


def test_a_press_reaches_bolt_by_label_or_action_id(
    playground: Playground, client: WebClient, bot: Bot
) -> None:
    """A click is delivered with the button's value and acked."""
    message = with_button(playground, client)
    for name in ("Go", "go", "one"):
        delivery = playground.press(message, name, user="U0BOB")
        playground.wait_for(lambda delivery=delivery: delivery.acked_at)
    assert bot.heard == ["one"] * 3


def test_a_click_says_who_where_and_on_what(playground: Playground, client: WebClient) -> None:
    """block_actions names user, channel, container and message; plain clicks accept no payload in the ack."""
    message = with_button(playground, client)
    with bare_socket(playground) as websocket:
        playground.press(message, "Go", user="U0BOB")
        envelope = receive(websocket)
    payload = envelope["payload"]
    assert envelope["accepts_response_payload"] is False
    assert payload["user"]["id"] == "U0BOB"
    assert payload["container"]["message_ts"] == payload["message"]["ts"] == message.ts
    assert payload["channel"]["id"] == "C0OPS"
    assert payload["actions"][0]["block_id"] == message.blocks[1]["block_id"]


def test_a_vanished_button_can_only_be_pressed_in_its_version(
    playground: Playground, client: WebClient, bot: Bot
) -> None:
    """After an edit the button is gone, but a late click on the former version can be made on purpose."""
    message = with_button(playground, client)
    client.chat_update(channel="C0OPS", ts=message.ts, text="gone")
    with pytest.raises(LookupError, match="no button"):
        playground.press(message, "Go")
    playground.press(message, "Go", version=0)
    playground.wait_for(lambda: bot.heard == ["one"])


def test_nobody_presses_what_another_sees(playground: Playground, client: WebClient) -> None:
    """An ephemeral message's button can be pressed by its reader only."""
    blocks = [{"type": "actions", "elements": [button()]}]
    client.chat_postEphemeral(channel="C0OPS", user="U0ANN", text="x", blocks=blocks)
    message = playground.world.messages("C0OPS")[0]
    with pytest.raises(LookupError, match="does not see"):
        playground.press(message, "Go", user="U0BOB")
    with bare_socket(playground) as websocket:
        playground.press(message, "Go", user="U0ANN")
        payload = receive(websocket)["payload"]
    assert payload["container"]["is_ephemeral"] is True
    assert "message" not in payload


def test_a_response_url_is_good_five_times(playground: Playground) -> None:
    """The sixth post is refused with used_url; what was posted is seen by the one who typed."""
    delivery = playground.slash("/backup", channel="C0RANDOM")
    hook = WebhookClient(delivery.payload["response_url"])
    answers = [hook.send(text=str(n)) for n in range(6)]
    assert [(a.status_code, a.body) for a in answers] == [(200, "ok")] * 5 + [(404, "used_url")]
    assert {m.ephemeral_for for m in playground.world.messages("C0RANDOM")} == {"U0ANN"}


def test_a_response_url_expires_after_thirty_minutes() -> None:
    """Half an hour later it is expired_url."""
    now = [1_800_000_000.0]
    with Playground(clock=lambda: now[0]) as playground:
        hook = WebhookClient(playground.slash("/backup").payload["response_url"])
        now[0] += 30 * 60
        assert hook.send(text="x").status_code == 200
        now[0] += 1
        assert hook.send(text="x").body == "expired_url"


def test_a_response_url_may_answer_in_public_and_checks_blocks(playground: Playground) -> None:
    """response_type in_channel is seen by all; empty and invalid posts are refused."""
    hook = WebhookClient(playground.slash("/backup").payload["response_url"])
    assert hook.send(text="all", response_type="in_channel").status_code == 200
    assert playground.world.messages("C0OPS")[0].ephemeral_for is None
    assert hook.send(text="").body == "no_text"
    assert hook.send(text="x", blocks=[section("")]).body == "invalid_blocks"


def test_a_clicks_response_url_replaces_and_deletes_the_original(
    playground: Playground, client: WebClient
) -> None:
    """replace_original edits the message in place, even an ephemeral one; delete_original removes it."""
    blocks = [{"type": "actions", "elements": [button()]}]
    client.chat_postEphemeral(channel="C0OPS", user="U0ANN", text="x", blocks=blocks)
    message = playground.world.messages("C0OPS")[0]
    hook = WebhookClient(playground.press(message, "Go").payload["response_url"])
    hook.send(text="replaced", replace_original=True)
    assert (message.text, message.edits) == ("replaced", 1)
    hook.send(delete_original=True)
    assert message.deleted


def form(*inputs: dict[str, Any]) -> dict[str, Any]:
    """A form with these input blocks."""
    title = {"type": "plain_text", "text": "Backup"}
    return {"type": "modal", "callback_id": "f", "title": title, "submit": title, "blocks": list(inputs)}


def field(action_id: str, kind: str) -> dict[str, Any]:
    """An input block."""
    label = {"type": "plain_text", "text": action_id}
    element = {"type": kind, "action_id": action_id}
    return {"type": "input", "block_id": f"b-{action_id}", "label": label, "element": element}


def test_a_form_is_filled_refused_and_sent_off(playground: Playground, client: WebClient) -> None:
    """Values arrive in state.values; errors keep the form open, an empty ack closes it."""
    playground.slash("/backup", trigger_id="1.1.a")
    client.views_open(trigger_id="1.1.a", view=form(field("note", "plain_text_input")))
    view = playground.views.open_modals("U0ANN")[0]
    with bare_socket(playground) as websocket:
        first = playground.submit(view, {"note": "weekly"})
        envelope = receive(websocket)
        values = envelope["payload"]["view"]["state"]["values"]
        assert values == {"b-note": {"note": {"type": "plain_text_input", "value": "weekly"}}}
        ack(websocket, envelope, {"response_action": "errors", "errors": {"b-note": "No."}})
        playground.wait_for(lambda: first.acked_at)
        assert playground.views.open_modals("U0ANN") == [view]
        second = playground.submit(view, {"b-note": "daily"})
        ack(websocket, receive(websocket))
        playground.wait_for(lambda: second.acked_at)
        assert playground.views.open_modals("U0ANN") == []


def test_type_ahead_asks_the_bot(playground: Playground, client: WebClient) -> None:
    """Letters typed into an external select come as block_suggestion; the options come back in the ack."""
    playground.slash("/backup", trigger_id="1.1.a")
    client.views_open(trigger_id="1.1.a", view=form(field("volume", "external_select")))
    view = playground.views.open_modals("U0ANN")[0]
    with bare_socket(playground) as websocket:
        delivery = playground.suggest(view, "volume", "pg")
        envelope = receive(websocket)
        assert (envelope["payload"]["type"], envelope["payload"]["value"]) == ("block_suggestion", "pg")
        ack(websocket, envelope, {"options": []})
        playground.wait_for(lambda: delivery.acked_at)
    assert delivery.ack_payload == {"options": []}


def option(value: str, text: str | None = None) -> dict[str, Any]:
    """An option of a select."""
    return {"text": {"type": "plain_text", "text": text or value}, "value": value}


def test_only_what_was_offered_can_be_chosen(playground: Playground, client: WebClient) -> None:
    """A select whose options the bot gives takes one of those, and the form knows it by its value or text."""
    playground.slash("/backup", trigger_id="1.1.a")
    fields = field("volume", "external_select"), field("more", "multi_external_select")
    client.views_open(trigger_id="1.1.a", view=form(*fields))
    view = playground.views.open_modals("U0ANN")[0]
    with bare_socket(playground) as websocket:
        for name in ("volume", "more"):
            typed = playground.suggest(
                view, name, "p", values={} if name == "volume" else {"volume": "pgdata"}
            )
            envelope = receive(websocket)
            ack(websocket, envelope, {"options": [option("pgdata", "Postgres"), option("pictures")]})
            playground.wait_for(lambda typed=typed: typed.acked_at)
        assert (
            envelope["payload"]["view"]["state"]["values"]["b-volume"]["volume"]["selected_option"]["value"]
            == "pgdata"
        )
        with pytest.raises(LookupError, match="no option “secret”"):
            playground.submit(view, {"volume": "secret", "more": []})
        playground.submit(view, {"volume": "Postgres", "more": ["pictures", "pgdata"]})
        values = receive(websocket)["payload"]["view"]["state"]["values"]
    assert values["b-volume"]["volume"]["selected_option"] == option("pgdata", "Postgres")
    assert [one["value"] for one in values["b-more"]["more"]["selected_options"]] == ["pictures", "pgdata"]


@pytest.mark.parametrize(
    "options", [[option(str(n)) for n in range(101)], [option("v" * 151)], [option("v", "t" * 76)]]
)
def test_options_that_slack_would_not_show(
    playground: Playground, client: WebClient, options: list[dict[str, Any]]
) -> None:
    """More than a hundred, or one that is too long: the person is told that it failed."""
    playground.slash("/backup", trigger_id="1.1.a")
    client.views_open(trigger_id="1.1.a", view=form(field("volume", "external_select")))
    view = playground.views.open_modals("U0ANN")[0]
    with bare_socket(playground) as websocket:
        typed = playground.suggest(view, "volume", "p")
        ack(websocket, receive(websocket), {"options": options})
        playground.wait_for(lambda: typed.error)
    assert typed.error is not None
    assert typed.error.startswith("invalid_options")


def test_an_empty_form_is_not_sent(playground: Playground, client: WebClient) -> None:
    """Slack holds back a form in which a field is empty that may not be."""
    playground.slash("/backup", trigger_id="1.1.a")
    client.views_open(trigger_id="1.1.a", view=form(field("note", "plain_text_input")))
    with pytest.raises(LookupError, match="Fill in “note” first"):
        playground.submit(playground.views.open_modals("U0ANN")[0], {})
    assert [delivery.kind for delivery in playground.world.deliveries] == ["slash"]


def test_shortcuts_are_those_of_the_manifest(playground: Playground) -> None:
    """A global one says who and nothing of where; a message's own brings that message and its files."""
    with pytest.raises(LookupError, match="no global shortcut run"):
        playground.shortcut("run")
    playground.shortcuts = (
        {"type": "global", "callback_id": "run", "name": "Run", "description": "Run it"},
        {"type": "message", "callback_id": "copy", "name": "Copy", "description": "Copy it"},
    )
    file = playground.upload("a.txt", b"a")
    message = playground.say("look", files=[file])
    with bare_socket(playground) as websocket:
        playground.shortcut("run")
        chosen = receive(websocket)["payload"]
        ack_of_message = playground.message_shortcut("copy", message)
        about = receive(websocket)["payload"]
    assert (chosen["type"], chosen["callback_id"], chosen["user"]["id"]) == ("shortcut", "run", "U0ANN")
    assert "channel" not in chosen
    assert (about["type"], about["message"]["ts"], about["channel"]["id"]) == (
        "message_action",
        message.ts,
        "C0OPS",
    )
    assert [one["id"] for one in about["message"]["files"]] == [file.id]
    assert ack_of_message.channel == "C0OPS"


def test_the_home_page_is_published_and_opened(playground: Playground, client: WebClient) -> None:
    """views.publish sets a user's Home; opening it sends app_home_opened with that view."""
    client.views_publish(user_id="U0ANN", view={"type": "home", "blocks": [section("hello")]})
    with bare_socket(playground) as websocket:
        playground.open_home(user="U0ANN")
        event = receive(websocket)["payload"]["event"]
    assert (event["type"], event["view"]["type"], event["channel"]) == ("app_home_opened", "home", "D0ANN")


def test_the_transcript_reads_like_the_screen(playground: Playground) -> None:
    """Commands, messages as now edited, ephemerals and errors, without times."""
    client = client_of(playground)
    playground.slash("/backup", "pgdata")
    ts = client.chat_postMessage(channel="C0OPS", text="running")["ts"]
    blocks = [section("*done* for <@U0BOB> &amp; all"), {"type": "actions", "elements": [button()]}]
    client.chat_update(channel="C0OPS", ts=ts, text="done", blocks=blocks)
    client.chat_postMessage(channel="C0OPS", text="detail", thread_ts=ts)
    client.chat_postEphemeral(channel="C0OPS", user="U0ANN", text="only you")
    assert playground.transcript().splitlines() == [
        "#ops Ann> /backup pgdata",
        "    (only visible to Ann) /backup failed with the error “dispatch_failed”",
        "#ops shipkeeper: *done* for @Bob & all (edited 1 time)",
        "    [Go]",
        "    #ops shipkeeper: detail",
        "#ops shipkeeper: only you (only visible to Ann)",
    ]
