"""A local Slack stand-in: Web API, Socket Mode, signed HTTP and a chat page, on loopback only.

Slack seen from outside: it imports neither Slack's libraries nor anything else of the bot.
"""

from bot.playground.faults import Fault, FaultKind, Faults
from bot.playground.http_delivery import HttpAnswer, Signature
from bot.playground.playground import Playground
from bot.playground.rates import Tier
from bot.playground.records import (
    ApiCall,
    Channel,
    Delivery,
    Message,
    RateViolation,
    User,
    UserGroup,
    Version,
)
from bot.playground.views import View
from bot.playground.workspace import DEFAULT_SCOPES
from bot.playground.world import World

__all__ = [
    "DEFAULT_SCOPES",
    "ApiCall",
    "Channel",
    "Delivery",
    "Fault",
    "FaultKind",
    "Faults",
    "HttpAnswer",
    "Message",
    "Playground",
    "RateViolation",
    "Signature",
    "Tier",
    "User",
    "UserGroup",
    "Version",
    "View",
    "World",
]
