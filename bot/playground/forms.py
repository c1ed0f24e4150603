"""Filling in forms: from plain values to the `state.values` that Slack sends with a submission.

Shapes from docs.slack.dev/reference/interaction-payloads/view-interactions-payload; pure functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from bot.playground.records import Json

_SELECTED = {
    "users_select": "selected_user",
    "conversations_select": "selected_conversation",
    "channels_select": "selected_channel",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
}


def find_input(blocks: Iterable[Json], name: str) -> Json:
    """The input block with this block_id or action_id. Raises LookupError."""
    names = []
    for block in blocks:
        if block.get("type") == "input":
            keys = (block["block_id"], block["element"]["action_id"])
            if name in keys:
                return block
            names.append(keys[1])
    raise LookupError(f"The form has no field “{name}”. Its fields are: {', '.join(names) or 'none'}.")


def state_values(blocks: list[Json], values: Json) -> Json:
    """`state.values` of a form: what was typed where, what stood there before elsewhere."""
    given = {find_input(blocks, name)["block_id"]: value for name, value in values.items()}
    state: Json = {}
    for block in blocks:
        if block.get("type") == "input":
            element = block["element"]
            value = given.get(block["block_id"])
            state[block["block_id"]] = {element["action_id"]: _typed(element, value)}
    return state


def _typed(element: Json, value: Any) -> Json:
    kind = str(element["type"])
    if kind in ("static_select", "external_select", "radio_buttons"):
        chosen = element.get("initial_option") if value is None else _option(element, value)
        return {"type": kind, "selected_option": chosen}
    if kind in ("checkboxes", "multi_static_select", "multi_external_select"):
        if value is None:
            return {"type": kind, "selected_options": element.get("initial_options", [])}
        return {"type": kind, "selected_options": [_option(element, one) for one in value]}
    if kind in _SELECTED:
        key = _SELECTED[kind]
        return {
            "type": kind,
            key: element.get(key.replace("selected", "initial")) if value is None else value,
        }
    return {"type": kind, "value": element.get("initial_value") if value is None else str(value)}


def _option(element: Json, value: Any) -> Json:
    """The option with this value or text; external selects take any. Raises LookupError."""
    if isinstance(value, dict):
        return value
    for option in _options(element):
        if value in (option["value"], option["text"]["text"]):
            return option
    if "external" in element["type"]:
        return {"text": {"type": "plain_text", "text": str(value)}, "value": str(value)}
    raise LookupError(f"The field has no option “{value}”.")


def _options(element: Json) -> Iterator[Json]:
    yield from element.get("options", [])
    for group in element.get("option_groups", []):
        yield from group["options"]
