"""Block Kit's limits as Slack enforces them: the greatest legal value passes, one more is refused."""

from __future__ import annotations

from typing import Any

import pytest
from playground_wire import button, section
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.playground import blockkit

pytestmark = pytest.mark.slack

Blocks = list[dict[str, Any]]


def plain(text: str) -> dict[str, Any]:
    """A plain_text object."""
    return {"type": "plain_text", "text": text}


def header(text: str) -> dict[str, Any]:
    """A header block."""
    return {"type": "header", "text": plain(text)}


def actions(*elements: dict[str, Any]) -> dict[str, Any]:
    """An actions block."""
    return {"type": "actions", "elements": list(elements)}


def buttons(count: int) -> dict[str, Any]:
    """An actions block with so many buttons."""
    return actions(*(button(action_id=f"a{n}") for n in range(count)))


def context(count: int) -> dict[str, Any]:
    """A context block with so many texts."""
    return {"type": "context", "elements": [plain("x")] * count}


def select(options: int = 1, **more: str) -> dict[str, Any]:
    """A static select; `text` and `value` set those of its options."""
    option = {"text": plain(more.get("text", "x")), "value": more.get("value", "v")}
    return {"type": "static_select", "action_id": "s", "options": [option] * options}


def confirm(title: int, text: int, deny: int) -> dict[str, Any]:
    """A button with a confirm dialog of these lengths."""
    dialog = {"title": plain("t" * title), "text": plain("x" * text)}
    return {**button(), "confirm": {**dialog, "confirm": plain("yes"), "deny": plain("n" * deny)}}


def fields(count: int, length: int) -> dict[str, Any]:
    """A section of fields."""
    return {"type": "section", "fields": [plain("x" * length)] * count}


def image(**more: Any) -> dict[str, Any]:
    """An image block."""
    return {"type": "image", "alt_text": "a chart", **more}


LIMITS: dict[str, tuple[Blocks, Blocks, str]] = {
    "section text": ([section("x" * 3000)], [section("x" * 3001)], "/blocks/0/text/text"),
    "fields": ([fields(10, 1)], [fields(11, 1)], "/blocks/0/fields"),
    "field text": ([fields(1, 2000)], [fields(1, 2001)], "/blocks/0/fields/0/text"),
    "header": ([header("x" * 150)], [header("x" * 151)], "/blocks/0/text/text"),
    "empty text": ([section("x")], [section("")], "/blocks/0/text/text"),
    "context elements": ([context(10)], [context(11)], "/blocks/0/elements"),
    "actions elements": ([buttons(25)], [buttons(26)], "/blocks/0/elements"),
    "no elements": ([buttons(1)], [buttons(0)], "/blocks/0/elements"),
    "button label": (
        [actions(button(label="x" * 75))],
        [actions(button(label="x" * 76))],
        "/blocks/0/elements/0/text/text",
    ),
    "button value": (
        [actions(button(value="x" * 2000))],
        [actions(button(value="x" * 2001))],
        "/blocks/0/elements/0/value",
    ),
    "button style": (
        [actions({**button(), "style": "danger"})],
        [actions({**button(), "style": "warning"})],
        "/blocks/0/elements/0/style",
    ),
    "action_id": (
        [actions(button(action_id="x" * 255))],
        [actions(button(action_id="x" * 256))],
        "/blocks/0/elements/0/action_id",
    ),
    "action_id twice": (
        [actions(button("a"), button("b"))],
        [actions(button("a"), button("a"))],
        "/blocks/0/elements",
    ),
    "block_id": (
        [section("x", block_id="x" * 255)],
        [section("x", block_id="x" * 256)],
        "/blocks/0/block_id",
    ),
    "block_id twice": (
        [section("x", block_id="a"), section("x", block_id="b")],
        [section("x", block_id="a"), section("x", block_id="a")],
        "/blocks/1/block_id",
    ),
    "options": ([actions(select(100))], [actions(select(101))], "/blocks/0/elements/0/options"),
    "option text": (
        [actions(select(text="x" * 75))],
        [actions(select(text="x" * 76))],
        "/blocks/0/elements/0/options/0/text/text",
    ),
    "option value": (
        [actions(select(value="x" * 150))],
        [actions(select(value="x" * 151))],
        "/blocks/0/elements/0/options/0/value",
    ),
    "confirm title": (
        [actions(confirm(100, 1, 1))],
        [actions(confirm(101, 1, 1))],
        "/blocks/0/elements/0/confirm/title/text",
    ),
    "confirm text": (
        [actions(confirm(1, 300, 1))],
        [actions(confirm(1, 301, 1))],
        "/blocks/0/elements/0/confirm/text/text",
    ),
    "confirm deny": (
        [actions(confirm(1, 1, 30))],
        [actions(confirm(1, 1, 31))],
        "/blocks/0/elements/0/confirm/deny/text",
    ),
    "image source": (
        [image(slack_file={"id": "F1"})],
        [image(slack_file={"id": "F1", "url": "u"})],
        "/blocks/0/slack_file",
    ),
    "image alt text": ([image(image_url="u")], [{"type": "image", "image_url": "u"}], "/blocks/0/alt_text"),
    "blocks": ([{"type": "divider"}] * 50, [{"type": "divider"}] * 51, "/blocks"),
    "unknown type": ([{"type": "divider"}], [{"type": "hologram"}], "/blocks/0/type"),
}


@pytest.mark.parametrize(("good", "bad", "pointer"), LIMITS.values(), ids=LIMITS.keys())
def test_the_limit_passes_and_one_more_is_refused(good: Blocks, bad: Blocks, pointer: str) -> None:
    """Each limit is exact and its finding points at the place."""
    assert blockkit.message_problems(good) == []
    problems = blockkit.message_problems(bad)
    assert any(problem.endswith(f"[json-pointer:{pointer}]") for problem in problems), problems


def test_invalid_blocks_are_refused_with_details(client: WebClient) -> None:
    """The API answers invalid_blocks and lists what is wrong."""
    with pytest.raises(SlackApiError) as caught:
        client.chat_postMessage(channel="C0OPS", text="x", blocks=[section("x" * 3001)])
    assert caught.value.response["error"] == "invalid_blocks"
    assert caught.value.response["response_metadata"]["messages"] == [
        "[ERROR] must be less than 3001 characters [json-pointer:/blocks/0/text/text]"
    ]


def test_legal_blocks_can_be_too_long_together(client: WebClient) -> None:
    """Four full sections pass, five are msg_blocks_too_long."""
    assert client.chat_postMessage(channel="C0OPS", text="x", blocks=[section("x" * 3000)] * 4)["ok"]
    with pytest.raises(SlackApiError, match="msg_blocks_too_long"):
        client.chat_postMessage(channel="C0OPS", text="x", blocks=[section("x" * 3000)] * 5)


def test_rich_text_and_inputs_are_known() -> None:
    """Preformatted rich text, lists and inputs pass; a rich text block without containers does not."""
    leaf = {"type": "text", "text": "x"}
    code = {"type": "rich_text_preformatted", "elements": [leaf]}
    item = {"type": "rich_text_section", "elements": [leaf]}
    listed = {"type": "rich_text_list", "style": "bullet", "elements": [item]}
    assert blockkit.message_problems([{"type": "rich_text", "elements": [code, listed]}]) == []
    assert blockkit.message_problems([{"type": "rich_text", "elements": [leaf]}]) != []


def test_a_view_has_limits_of_its_own() -> None:
    """Title 24, private_metadata 3,000, 100 blocks."""
    view = {"type": "modal", "title": plain("x" * 24), "blocks": [{"type": "divider"}] * 100}
    assert blockkit.view_problems({**view, "private_metadata": "x" * 3000}) == []
    assert blockkit.view_problems({**view, "title": plain("x" * 25)}) != []
    assert blockkit.view_problems({**view, "private_metadata": "x" * 3001}) != []
    assert blockkit.view_problems({**view, "blocks": [{"type": "divider"}] * 101}) != []
