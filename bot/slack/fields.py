"""A command's parameters as Block Kit inputs, made from their declarations. Knows no particular command.

Limits are Block Kit's (reference pages of the input block and of each element).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bot.command import Command, Parameter, Takes
from bot.completion import Candidate
from bot.kinds import Day, Text
from bot.language import say
from bot.slack.mrkdwn import cut, plain
from bot.sources import Source
from bot.words import label as heading

Block = dict[str, Any]

FILL = "fill"
"""The action ids of fields begin with this; command and parameter follow."""

NOT_SET = "-"
"""The value of the option that leaves a choice out; no choice is called so."""

SWITCHES = "switches"
"""The block ids of checkboxes begin with this."""

_OPTION_TEXT = 75
_OPTION_VALUE = 150
_HINT = 2_000
_PLACEHOLDER = 150
_TYPED = 3_000
_CHECKBOXES = 10


def fields(command: Command, shown: Iterable[Parameter], given: Mapping[str, Any]) -> list[Block]:
    """The inputs: what must be filled in first, all switches last; `given` is what was typed already."""
    parameters = list(shown)
    inputs = [one for one in parameters if not one.is_switch]
    ordered = [*(one for one in inputs if one.required), *(one for one in inputs if not one.required)]
    blocks = [_field(command, one, given.get(one.name)) for one in ordered]
    switches = [one for one in parameters if one.is_switch]
    for first in range(0, len(switches), _CHECKBOXES):
        blocks.append(_checkboxes(command, switches[first : first + _CHECKBOXES], given, first))
    return blocks


def block_id_of(parameter: Parameter, blocks: Iterable[Mapping[str, Any]]) -> str | None:
    """The input that a parameter is filled in at; None when the form has not got it."""
    for block in blocks:
        if block.get("type") != "input":
            continue
        if block["block_id"] == parameter.name:
            return parameter.name
        if str(block["block_id"]).startswith(SWITCHES) and parameter.is_switch:
            return str(block["block_id"])
    return None


def label(parameter: Parameter) -> str:
    """What people read: `keep_owner` is “Keep owner”."""
    return heading(parameter.name.rstrip("_"))


def plain_text(text: str, limit: int) -> Block:
    """A text object without markup."""
    return {"type": "plain_text", "text": cut(plain(text), limit)}


def option(one: Candidate) -> Block | None:
    """What Slack offers for it; None for what is longer than an option may be, or cannot be seen."""
    text = plain_text(one.label or one.value, _OPTION_TEXT)
    if len(one.value) > _OPTION_VALUE or not text["text"].strip():
        return None
    made: Block = {"text": text, "value": one.value}
    if one.about:
        made["description"] = plain_text(one.about, _OPTION_TEXT)
    return made


def _field(command: Command, parameter: Parameter, given: Any) -> Block:
    help_text = f"{parameter.help[:1].upper()}{parameter.help[1:]}."
    if parameter.takes is Takes.MANY and not parameter.sources:
        help_text = " ".join((help_text, say("One a line.")))
    element = {"action_id": f"{FILL}:{command.name}:{parameter.name}", **_element(parameter, given)}
    return {
        "type": "input",
        "block_id": parameter.name,
        "label": plain_text(label(parameter), _HINT),
        "hint": plain_text(help_text, _HINT),
        "optional": not parameter.required,
        "element": element,
    }


def _element(parameter: Parameter, given: Any) -> Block:
    value = parameter.default if given is None else given
    words = [value] if isinstance(value, str) else list(value or ())
    typed = [str(word) for word in words if word != ""]
    if parameter.choices:
        return _choice(parameter, typed)
    if parameter.sources and parameter.takes is not Takes.REST and _all_fit(typed):
        return _type_ahead(parameter, typed)
    span = getattr(parameter.kind, "span", None)
    if span is not None:
        element: Block = {"type": "number_input", "is_decimal_allowed": False}
        return {**element, "min_value": str(span[0]), "max_value": str(span[1]), **_initially(typed)}
    if issubclass(parameter.kind, Day):
        return {"type": "datepicker", **({"initial_date": typed[0]} if typed else {})}
    is_long = parameter.takes is not Takes.ONE or issubclass(parameter.kind, Text)
    element = {"type": "plain_text_input", "multiline": is_long, "max_length": _TYPED}
    noun = getattr(parameter.kind, "noun", "")
    if noun and not issubclass(parameter.kind, Text):
        element["placeholder"] = plain_text(noun, _PLACEHOLDER)
    return {**element, **_initially(typed)}


def _initially(typed: list[str]) -> Block:
    text = "\n".join(typed)
    return {"initial_value": text} if 0 < len(text) <= _TYPED else {}


def _choice(parameter: Parameter, typed: list[str]) -> Block:
    options = [{"text": plain_text(one, _OPTION_TEXT), "value": one} for one in parameter.choices]
    if not parameter.required and parameter.default is None:
        options.insert(0, {"text": plain_text(say("Not set"), _OPTION_TEXT), "value": NOT_SET})
    chosen = [one for one in options if one["value"] in typed]
    element: Block = {"type": "static_select", "options": options}
    return {**element, "initial_option": chosen[0]} if chosen else element


def _type_ahead(parameter: Parameter, typed: list[str]) -> Block:
    chosen = [made for word in typed if (made := option(Candidate(value=word))) is not None]
    is_many = parameter.takes is Takes.MANY
    element: Block = {
        "type": "multi_external_select" if is_many else "external_select",
        "min_query_length": 0,
        "placeholder": plain_text(_asks_for(parameter), _PLACEHOLDER),
    }
    if is_many and chosen:
        element["initial_options"] = chosen
    elif chosen:
        element["initial_option"] = chosen[0]
    return element


def _asks_for(parameter: Parameter) -> str:
    if parameter.sources == (Source.HOST,):
        return say("Choose a host")
    return say("Choose, or type {noun}", noun=parameter.kind.noun)


def _all_fit(typed: list[str]) -> bool:
    return all(len(word) <= _OPTION_VALUE for word in typed)


def _checkboxes(command: Command, switches: list[Parameter], given: Mapping[str, Any], first: int) -> Block:
    options: list[Block] = [
        {
            "text": plain_text(label(one), _OPTION_TEXT),
            "description": plain_text(one.help, _OPTION_TEXT),
            "value": one.name,
        }
        for one in switches
    ]
    chosen = [made for made in options if given.get(str(made["value"]))]
    element: Block = {
        "type": "checkboxes",
        "action_id": f"{FILL}:{command.name}:{SWITCHES}{first}",
        "options": options,
    }
    if chosen:
        element["initial_options"] = chosen
    return {
        "type": "input",
        "block_id": f"{SWITCHES}{first}",
        "label": plain_text(say("Also"), _HINT),
        "optional": True,
        "element": element,
    }
