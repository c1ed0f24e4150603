"""Block Kit's small parts: findings, text objects, options and confirm dialogs with their limits.

Limits are from docs.slack.dev/reference/block-kit/composition-objects; knows nothing of messages.
"""

from __future__ import annotations

from typing import Any, Final

BOTH_KINDS: Final = ("plain_text", "mrkdwn")
PLAIN_ONLY: Final = ("plain_text",)


class Findings:
    """The list of what is wrong, worded as in Slack's `response_metadata.messages`."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def add(self, what: str, pointer: str) -> None:
        """Note one fault at a JSON pointer."""
        self.messages.append(f"[ERROR] {what} [json-pointer:{pointer}]")

    def string(self, value: Any, pointer: str, most: int, *, least: int = 1) -> bool:
        """Check that a value is a string of `least` to `most` characters."""
        if not isinstance(value, str):
            self.add("must be a string", pointer)
        elif len(value) > most:
            self.add(f"must be less than {most + 1} characters", pointer)
        elif len(value) < least:
            self.add(f"must be more than {least - 1} characters", pointer)
        else:
            return True
        return False

    def optional_string(self, value: Any, pointer: str, most: int) -> None:
        """Check a string that may be missing."""
        if value is not None:
            self.string(value, pointer, most)

    def items(self, value: Any, pointer: str, most: int) -> list[Any]:
        """Check a list of 1 to `most` items; returns its items, none when it is no list."""
        if not isinstance(value, list) or not value:
            self.add("must provide a list of at least 1 item", pointer)
            return []
        if len(value) > most:
            self.add(f"no more than {most} items allowed", pointer)
        return value

    def one_of(self, value: Any, pointer: str, allowed: tuple[str, ...]) -> None:
        """Check that a value is one of the allowed words."""
        if value not in allowed:
            self.add(f"must be one of {', '.join(allowed)}", pointer)


def check_text(
    findings: Findings, value: Any, pointer: str, most: int, kinds: tuple[str, ...] = BOTH_KINDS
) -> None:
    """Check a text object of at most `most` characters whose type is one of `kinds`."""
    if not isinstance(value, dict):
        findings.add("must be a text object", pointer)
        return
    if value.get("type") not in kinds:
        findings.add(f"must be of type {' or '.join(kinds)}", f"{pointer}/type")
    findings.string(value.get("text"), f"{pointer}/text", most)


def check_optional_text(findings: Findings, value: Any, pointer: str, most: int) -> None:
    """Check a plain_text object that may be missing."""
    if value is not None:
        check_text(findings, value, pointer, most, PLAIN_ONLY)


def check_confirm(findings: Findings, value: Any, pointer: str) -> None:
    """Check a confirm dialog: title 100, text 300, confirm and deny 30 characters."""
    if not isinstance(value, dict):
        findings.add("must be a confirmation object", pointer)
        return
    check_text(findings, value.get("title"), f"{pointer}/title", 100, PLAIN_ONLY)
    check_text(findings, value.get("text"), f"{pointer}/text", 300)
    check_text(findings, value.get("confirm"), f"{pointer}/confirm", 30, PLAIN_ONLY)
    check_text(findings, value.get("deny"), f"{pointer}/deny", 30, PLAIN_ONLY)
    if "style" in value:
        findings.one_of(value["style"], f"{pointer}/style", ("primary", "danger"))


def check_options(findings: Findings, value: Any, pointer: str, most: int) -> None:
    """Check 1 to `most` options: text 75, value 150, description 75 characters."""
    for index, option in enumerate(findings.items(value, pointer, most)):
        check_option(findings, option, f"{pointer}/{index}")


def check_option(findings: Findings, option: Any, pointer: str) -> None:
    """Check one option."""
    if not isinstance(option, dict):
        findings.add("must be an option object", pointer)
        return
    check_text(findings, option.get("text"), f"{pointer}/text", 75)
    findings.string(option.get("value"), f"{pointer}/value", 150)
    if "description" in option:
        check_text(findings, option["description"], f"{pointer}/description", 75)


def check_option_groups(findings: Findings, value: Any, pointer: str) -> None:
    """Check 1 to 100 groups of 1 to 100 options, labels of 75 characters."""
    for index, group in enumerate(findings.items(value, pointer, 100)):
        at = f"{pointer}/{index}"
        if not isinstance(group, dict):
            findings.add("must be an option group", at)
            continue
        check_text(findings, group.get("label"), f"{at}/label", 75, PLAIN_ONLY)
        check_options(findings, group.get("options"), f"{at}/options", 100)
