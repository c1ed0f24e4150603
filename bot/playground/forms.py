"""Filling in forms: from plain values to the `state.values` that Slack sends with a submission.

Shapes from docs.slack.dev/reference/interaction-payloads/view-interactions-payload; pure functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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


Offered = Mapping[str, Mapping[str, Json]]
"""Block id -> value -> the option that the bot offered there."""


def state_values(blocks: list[Json], values: Json, offered: Offered) -> Json:
    """`state.values` of a form: what was typed where, what stood there before elsewhere.

    Raises LookupError for a field or an option that is not there.
    """
    given = {find_input(blocks, name)["block_id"]: value for name, value in values.items()}
    state: Json = {}
    for block in blocks:
        if block.get("type") == "input":
            element, block_id = block["element"], block["block_id"]
            typed = _typed(element, given.get(block_id), offered.get(block_id, {}))
            state[block_id] = {element["action_id"]: typed}
    return state


def demand_filled(blocks: list[Json], state: Json) -> None:
    """Raises LookupError when a field that is not optional is empty: Slack does not even send such a form."""
    for block in blocks:
        if block.get("type") != "input" or block.get("optional"):
            continue
        (typed,) = state[block["block_id"]].values()
        if not any(value for key, value in typed.items() if key != "type"):
            raise LookupError(f"Fill in “{block['label']['text']}” first.")


def _typed(element: Json, value: Any, offered: Mapping[str, Json]) -> Json:
    kind = str(element["type"])
    if kind in ("static_select", "external_select", "radio_buttons"):
        chosen = element.get("initial_option") if value is None else _option(element, value, offered)
        return {"type": kind, "selected_option": chosen}
    if kind in ("checkboxes", "multi_static_select", "multi_external_select"):
        if value is None:
            return {"type": kind, "selected_options": element.get("initial_options", [])}
        return {"type": kind, "selected_options": [_option(element, one, offered) for one in value]}
    if kind in _SELECTED:
        key = _SELECTED[kind]
        return {
            "type": kind,
            key: element.get(key.replace("selected", "initial")) if value is None else value,
        }
    return {"type": kind, "value": element.get("initial_value") if value is None else str(value)}


def _option(element: Json, value: Any, offered: Mapping[str, Json]) -> Json:
    """The option with this value or text; of external selects one that was offered. Raises LookupError."""
    for option in (*_options(element), *offered.values()):
        if value in (option["value"], option["text"]["text"]):
            return option
    raise LookupError(f"The field has no option “{value}”.")


def _options(element: Json) -> Iterator[Json]:
    yield from element.get("options", [])
    for group in element.get("option_groups", []):
        yield from group["options"]
    yield from element.get("initial_options", [])
    if element.get("initial_option"):
        yield element["initial_option"]
