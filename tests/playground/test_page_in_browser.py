"""The chat page in a real Chromium: typing, pressing, confirming, editing in place, forms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playground_wire import Bot, button, section
from playwright.sync_api import APIResponse, Page, Route, expect
from slack_sdk import WebClient

from bot.playground import Playground
from tests.support.chat_page import CHROMIUM, a_page, type_line

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed; name it in CHROMIUM"),
]


@pytest.fixture
def page(playground: Playground) -> Iterator[Page]:
    """The chat page; any error in its scripts fails the test."""
    with a_page(playground.url) as opened:
        yield opened


def test_a_command_is_typed_and_its_answer_shown(page: Page, bot: Bot) -> None:
    """The page shows that the bot is connected, the typed line, and the private answer as private."""
    expect(page.get_by_role("status")).to_have_text("bot connected")
    type_line(page, "/echo <b>hello</b>")
    answer = page.get_by_role("listitem").filter(has_text="got <b>hello</b>")
    expect(answer).to_contain_text("Only visible to you")
    assert bot.heard == ["<b>hello</b>"]


def test_an_error_is_shown_to_who_typed(page: Page, playground: Playground) -> None:
    """Without a bot the command fails before the typist's eyes."""
    expect(page.get_by_role("status")).to_have_text("waiting for the bot")
    type_line(page, "/backup pgdata")
    expect(page.get_by_role("log")).to_contain_text("/backup failed with the error “dispatch_failed”")
    assert playground.world.deliveries[0].error == "dispatch_failed"


def test_a_message_is_rendered_edited_in_place_and_pressed(
    page: Page, playground: Playground, client: WebClient, bot: Bot
) -> None:
    """Block Kit appears as marked-up text; a confirm dialog guards its button; an edit replaces the message."""
    dialog = {
        "title": {"type": "plain_text", "text": "Restore?"},
        "text": {"type": "mrkdwn", "text": "This *replaces* `pgdata`."},
        "confirm": {"type": "plain_text", "text": "Yes, restore"},
        "deny": {"type": "plain_text", "text": "Keep"},
    }
    text = "*bold* <@U0BOB> <https://example.org/|label> &lt;!channel&gt; `code`"
    guarded = {**button(label="Restore"), "confirm": dialog}
    blocks = [section(text), {"type": "actions", "elements": [guarded]}]
    ts = client.chat_postMessage(channel="C0OPS", text="x", blocks=blocks)["ts"]
    message = page.get_by_role("listitem").filter(has=page.get_by_role("button", name="Restore"))
    expect(message.locator("strong")).to_have_text("bold")
    expect(message).to_contain_text("@Bob label <!channel> code")
    message.get_by_role("button", name="Restore").click()
    page.get_by_role("button", name="Keep").click()
    assert playground.world.deliveries == ()
    message.get_by_role("button", name="Restore").click()
    page.get_by_role("button", name="Yes, restore").click()
    playground.wait_for(lambda: bot.heard == ["one"])
    client.chat_update(channel="C0OPS", ts=ts, text="done")
    expect(page.get_by_role("listitem").filter(has_text="(edited)")).to_contain_text("done")
    expect(page.get_by_role("button", name="Restore")).to_have_count(0)


@pytest.fixture
def submitted(bot: Bot) -> list[str]:
    """What was sent off in the form that `/form` opens; "nope" is objected to."""
    title = {"type": "plain_text", "text": "Backup"}
    field = {
        "type": "input",
        "block_id": "volume",
        "label": {"type": "plain_text", "text": "Volume"},
        "element": {"type": "plain_text_input", "action_id": "name"},
    }
    taken: list[str] = []

    @bot.app.command("/form")
    def form(ack: Callable[..., None], command: dict[str, str], client: WebClient) -> None:
        ack()
        view = {"type": "modal", "callback_id": "f", "title": title, "submit": title, "blocks": [field]}
        client.views_open(trigger_id=command["trigger_id"], view=view)

    @bot.app.view("f")
    def take(ack: Callable[..., None], view: dict[str, Any]) -> None:
        taken.append(view["state"]["values"]["volume"]["name"]["value"])
        if taken[-1] == "nope":
            ack(response_action="errors", errors={"volume": "No such volume."})
        else:
            ack()

    return taken


def test_a_form_is_filled_in_the_page(page: Page, playground: Playground, submitted: list[str]) -> None:
    """A form opens over the page, shows the bot's objection, and closes when it is taken."""
    type_line(page, "/form")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Volume").fill("nope")
    dialog.get_by_role("button", name="Backup").click()
    expect(dialog).to_contain_text("No such volume.")
    dialog.get_by_label("Volume").fill("pgdata")
    dialog.get_by_role("button", name="Backup").click()
    expect(dialog).to_be_hidden()
    assert submitted == ["nope", "pgdata"]
    assert playground.views.open_modals() == []


@pytest.mark.usefixtures("submitted")
def test_a_late_answer_does_not_take_a_form_away(page: Page, playground: Playground) -> None:
    """What the page was told before the form opened may arrive after it: what was typed meanwhile stays."""
    late: list[tuple[Route, APIResponse]] = []

    def keep_first(route: Route) -> None:
        answer = route.fetch()
        if "items" in answer.json() and not late:
            late.append((route, answer))
        else:
            route.fulfill(response=answer)

    page.route("**/page/state*", keep_first)
    playground.say("before the form")
    expect(page.get_by_role("log")).to_contain_text("before the form")
    type_line(page, "/form")
    field = page.get_by_role("dialog").get_by_label("Volume")
    field.fill("pgdata")
    route, answer = late[0]
    with page.expect_event("requestfinished", lambda request: request == route.request):
        route.fulfill(response=answer)
    with page.expect_response("**/page/state*"):
        pass
    expect(field).to_have_value("pgdata")


def test_several_are_chosen_while_typing(page: Page, playground: Playground, bot: Bot) -> None:
    """Letters bring options; several can be chosen and taken away again, and only those that were offered are sent."""
    title = {"type": "plain_text", "text": "Prune"}
    element = {"type": "multi_external_select", "action_id": "names", "min_query_length": 0}
    label = {"type": "plain_text", "text": "Volumes"}
    field = {"type": "input", "block_id": "volumes", "label": label, "element": element}
    submitted: list[list[str]] = []

    @bot.app.command("/form")
    def form(ack: Callable[..., None], command: dict[str, str], client: WebClient) -> None:
        ack()
        view = {"type": "modal", "callback_id": "f", "title": title, "submit": title, "blocks": [field]}
        client.views_open(trigger_id=command["trigger_id"], view=view)

    @bot.app.options("names")
    def offer(ack: Callable[..., None], payload: dict[str, Any]) -> None:
        names = [name for name in ("alpha", "beta", "gamma") if payload["value"] in name]
        ack(options=[{"text": {"type": "plain_text", "text": name}, "value": name} for name in names])

    @bot.app.view("f")
    def taken(ack: Callable[..., None], view: dict[str, Any]) -> None:
        chosen = view["state"]["values"]["volumes"]["names"]["selected_options"]
        submitted.append([one["value"] for one in chosen])
        ack()

    type_line(page, "/form")
    dialog = page.get_by_role("dialog")
    box = dialog.get_by_role("combobox", name="Volumes")
    for name in ("alpha", "gamma", "beta"):
        box.press_sequentially(name[:-1])
        expect(dialog.get_by_role("option")).to_have_count(1)
        dialog.get_by_role("option").click()
        expect(dialog.get_by_role("button", name=f"Remove {name}")).to_be_visible()
        expect(box).to_have_value("")
    dialog.get_by_role("button", name="Remove gamma").click()
    box.press_sequentially("unknown")
    box.press("Tab")  # the list, when it has come by now, would lie over the button
    expect(dialog.get_by_role("listbox")).to_be_hidden()
    dialog.get_by_role("button", name="Prune").click()
    expect(dialog).to_be_hidden()
    assert submitted == [["alpha", "beta"]]
    assert playground.views.open_modals() == []
