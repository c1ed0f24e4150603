"""The least that a Slack app made with Bolt can be: one command that is acknowledged with what was typed.

What our own acknowledgements are measured against, by the same doors: Socket Mode with an app token, else HTTP with
uvicorn and Bolt's own adapter. A script; it must not use anything of the bot.
"""

from __future__ import annotations

import os
from typing import Any

from slack_bolt import App
from slack_sdk import WebClient

COMMANDS = ("/docker", "/backup")


def made() -> App:
    """The app, as Bolt's first example has it."""
    client = WebClient(token=os.environ["SLACK_BOT_TOKEN"], base_url=os.environ["SLACK_API_URL"])
    app = App(client=client, signing_secret=os.environ.get("SLACK_SIGNING_SECRET"))
    for command in COMMANDS:
        app.command(command)(echo)
    return app


def echo(ack: Any, command: dict[str, Any]) -> None:
    """Acknowledge with the words that were typed."""
    ack(command["text"])


def by_socket(app: App) -> None:
    """Until the process is killed."""
    from slack_bolt.adapter.socket_mode import SocketModeHandler

    SocketModeHandler(app, os.environ["SLACK_APP_TOKEN"]).start()


def by_http(app: App) -> None:
    """Until the process is killed."""
    import uvicorn
    from slack_bolt.adapter.starlette import SlackRequestHandler
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    handler = SlackRequestHandler(app)

    async def events(request: Request) -> Response:
        return await handler.handle(request)

    web = Starlette(routes=[Route("/slack/events", events, methods=["POST"])])
    uvicorn.run(web, host="127.0.0.1", port=int(os.environ["ECHO_PORT"]), log_level="error", access_log=False)


if __name__ == "__main__":
    (by_socket if "SLACK_APP_TOKEN" in os.environ else by_http)(made())
