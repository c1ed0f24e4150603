"""What people do with the bot's forms: look at them, type into their fields, send them off."""

from __future__ import annotations

from typing import Any

from bot.playground import Delivery, View
from tests.slack.workplace import Workplace
from tests.support.house import wait_for


def form_of(work: Workplace, user: str = "U0ANN") -> View:
    """The form that the person has open, as soon as there is one."""
    return wait_for(lambda: work.playground.views.open_modals(user), saying=f"a form for {user}")[-1]


def no_form(work: Workplace, user: str = "U0ANN") -> bool:
    """Whether the person has none open."""
    return not work.playground.views.open_modals(user)


def answered(delivery: Delivery) -> Delivery:
    """Wait for the ack, which may say something; Slack must have been content with it."""
    wait_for(lambda: delivery.acked_at is not None or delivery.error, saying=f"the ack of {delivery.summary}")
    assert delivery.error is None, delivery.error
    return delivery


def offered(
    work: Workplace,
    view: View,
    field: str,
    letters: str = "",
    *,
    user: str = "U0ANN",
    values: dict[str, Any] | None = None,
) -> list[str]:
    """The values that the bot offers for what was typed into that field."""
    asked = answered(work.playground.suggest(view, field, letters, user=user, values=values))
    return [option["value"] for option in asked.ack_payload["options"]]


def sent(work: Workplace, view: View, values: dict[str, Any], *, user: str = "U0ANN") -> Delivery:
    """Fill in the form as people do, choosing from what is offered, and send it off."""
    kinds = {b["block_id"]: b["element"]["type"] for b in view.body["blocks"] if b["type"] == "input"}
    for field, value in values.items():
        if kinds[field] == "external_select":
            offered(work, view, field, value, user=user)
    return answered(work.playground.submit(view, values, user=user))


def fields_of(view: View) -> dict[str, dict[str, Any]]:
    """The element of each field, by the field's name."""
    return {b["block_id"]: b["element"] for b in view.body["blocks"] if b["type"] == "input"}


def errors_of(delivery: Delivery) -> dict[str, str]:
    """What Slack was told is wrong, by field."""
    assert delivery.ack_payload["response_action"] == "errors"
    errors: dict[str, str] = delivery.ack_payload["errors"]
    return errors
