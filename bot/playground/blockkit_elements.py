"""Block Kit's elements (buttons, selects, inputs) with their limits.

Limits are from docs.slack.dev/reference/block-kit/block-elements; knows nothing of blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from bot.playground.blockkit_text import (
    PLAIN_ONLY,
    Findings,
    check_confirm,
    check_option_groups,
    check_optional_text,
    check_options,
    check_text,
)

ElementCheck = Callable[[Findings, dict[str, Any], str], None]

TEXT_INPUTS: Final = frozenset(
    {
        "plain_text_input",
        "number_input",
        "email_text_input",
        "url_text_input",
        "file_input",
        "rich_text_input",
    }
)
NOT_IN_INPUT: Final = frozenset({"button", "overflow", "image"})


def check_element(findings: Findings, element: Any, pointer: str, refused: frozenset[str]) -> None:
    """Check one element; types in `refused` are not allowed at this place, unknown ones nowhere."""
    if not isinstance(element, dict):
        findings.add("must be an element object", pointer)
        return
    kind = str(element.get("type"))
    check = ELEMENTS.get(kind)
    if check is None or kind in refused:
        findings.add(f"unsupported type: {kind}", f"{pointer}/type")
        return
    if kind != "image":
        findings.optional_string(element.get("action_id"), f"{pointer}/action_id", 255)
    if "confirm" in element:
        check_confirm(findings, element["confirm"], f"{pointer}/confirm")
    check_optional_text(findings, element.get("placeholder"), f"{pointer}/placeholder", 150)
    check(findings, element, pointer)


def _button(findings: Findings, element: dict[str, Any], pointer: str) -> None:
    check_text(findings, element.get("text"), f"{pointer}/text", 75, PLAIN_ONLY)
    findings.optional_string(element.get("value"), f"{pointer}/value", 2000)
    findings.optional_string(element.get("url"), f"{pointer}/url", 3000)
    findings.optional_string(element.get("accessibility_label"), f"{pointer}/accessibility_label", 75)
    if "style" in element:
        findings.one_of(element["style"], f"{pointer}/style", ("primary", "danger"))


def _static_select(findings: Findings, element: dict[str, Any], pointer: str) -> None:
    if ("options" in element) == ("option_groups" in element):
        findings.add("must provide either options or option_groups", pointer)
    elif "options" in element:
        check_options(findings, element["options"], f"{pointer}/options", 100)
    else:
        check_option_groups(findings, element["option_groups"], f"{pointer}/option_groups")
    _selected_count(findings, element, pointer)


def _selected_count(findings: Findings, element: dict[str, Any], pointer: str) -> None:
    most = element.get("max_selected_items", 1)
    if not isinstance(most, int) or most < 1:
        findings.add("must be at least 1", f"{pointer}/max_selected_items")


def _external_select(findings: Findings, element: dict[str, Any], pointer: str) -> None:
    least = element.get("min_query_length", 3)
    if not isinstance(least, int) or least < 0:
        findings.add("must be at least 0", f"{pointer}/min_query_length")
    _selected_count(findings, element, pointer)


def _overflow(findings: Findings, element: dict[str, Any], pointer: str) -> None:
    check_options(findings, element.get("options"), f"{pointer}/options", 5)


def _choices(findings: Findings, element: dict[str, Any], pointer: str) -> None:
    check_options(findings, element.get("options"), f"{pointer}/options", 10)


def _plain_text_input(findings: Findings, element: dict[str, Any], pointer: str) -> None:
    for key, least in (("min_length", 0), ("max_length", 1)):
        value = element.get(key, least)
        if not isinstance(value, int) or not least <= value <= 3000:
            findings.add(f"must be between {least} and 3000", f"{pointer}/{key}")
    if "initial_value" in element:
        findings.string(element["initial_value"], f"{pointer}/initial_value", 3000, least=0)


def _number_input(findings: Findings, element: dict[str, Any], pointer: str) -> None:
    if not isinstance(element.get("is_decimal_allowed"), bool):
        findings.add("missing required field: is_decimal_allowed", pointer)
    for key in ("min_value", "max_value", "initial_value"):
        findings.optional_string(element.get(key), f"{pointer}/{key}", 3000)


def _image(findings: Findings, element: dict[str, Any], pointer: str) -> None:
    check_image_source(findings, element, pointer)
    findings.string(element.get("alt_text"), f"{pointer}/alt_text", 2000)


def check_image_source(findings: Findings, image: dict[str, Any], pointer: str) -> None:
    """Check that an image names exactly one of image_url (3000) and slack_file (exactly one of id, url)."""
    if ("image_url" in image) == ("slack_file" in image):
        findings.add("must provide either image_url or slack_file", pointer)
    elif "image_url" in image:
        findings.string(image["image_url"], f"{pointer}/image_url", 3000)
    else:
        source = image["slack_file"]
        if not isinstance(source, dict) or ("id" in source) == ("url" in source):
            findings.add("must provide either id or url", f"{pointer}/slack_file")


def _nothing_more(_findings: Findings, _element: dict[str, Any], _pointer: str) -> None:
    """For elements whose placeholder and action_id are all there is to check."""


ELEMENTS: Final[dict[str, ElementCheck]] = {
    "button": _button,
    "image": _image,
    "overflow": _overflow,
    "checkboxes": _choices,
    "radio_buttons": _choices,
    "static_select": _static_select,
    "multi_static_select": _static_select,
    "external_select": _external_select,
    "multi_external_select": _external_select,
    "plain_text_input": _plain_text_input,
    "number_input": _number_input,
    **dict.fromkeys(
        (
            "users_select",
            "multi_users_select",
            "conversations_select",
            "multi_conversations_select",
            "channels_select",
            "multi_channels_select",
            "datepicker",
            "timepicker",
            "datetimepicker",
            "email_text_input",
            "url_text_input",
            "file_input",
            "rich_text_input",
        ),
        _nothing_more,
    ),
}
