"""Finds files that people uploaded to Slack, and fetches their bytes with the bot's token.

A person may only use what is theirs, or what is in the conversation where they ask: the bot may see more than they.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.entry import printable
from bot.errors import BotError, EngineError, NotFound, UsageError
from bot.language import later, say
from bot.model import Invocation, Origin
from bot.operations.fetching import Uploaded, Uploads
from bot.slack.files import NO_ANSWER, ForeignHost, LoginPage, SlackFile, SlackFiles, is_missing_scope
from bot.slack.posting import refusal
from bot.slack.trust import trusted

_CHUNK_BYTES = 1 << 18
_SECONDS = 30


class SlackUploads(Uploads):
    """Over the Web API; makes a client for each use."""

    def __init__(self, api_url: str, token: str | None) -> None:
        self._files = SlackFiles(
            WebClient(token=token, base_url=api_url, timeout=_SECONDS, retry_handlers=[], ssl=trusted())
        )
        self._has_token = token is not None

    def find(self, file_id: str, asked: Invocation) -> Uploaded:
        """The file, or the one that came with the command; raises as `Uploads.find`."""
        wanted = file_id or _attached(asked)
        if not self._has_token:
            raise UsageError(
                say("Without SLACK_BOT_TOKEN no file of Slack’s can be fetched. Nothing was changed.")
            )
        found = self._look(wanted)
        if found is None or not _may_see(found, asked):
            raise NotFound(
                say(
                    "There is no file {file} that you uploaded, or that is in this conversation. Nothing was changed. "
                    "Upload it here, together with the command.",
                    file=wanted,
                )
            )

        @contextmanager
        def chunks() -> Iterator[Iterator[bytes]]:
            with _in_words(found), self._files.content(found) as content:
                yield iter(lambda: content.read(_CHUNK_BYTES), b"")

        return Uploaded(id=found.id, name=found.name, size=found.size, chunks=chunks)

    def _look(self, file_id: str) -> SlackFile | None:
        try:
            return self._files.info(file_id)
        except SlackApiError as error:
            refused = refusal(error)
            if is_missing_scope(refused):
                raise EngineError(say(_NO_RIGHT, name=file_id)) from error
            raise EngineError(
                say(
                    "Slack does not tell of the file {file_id} ({code}). Nothing was changed. Send the command "
                    "again.",
                    file_id=file_id,
                    code=refused.code,
                )
            ) from error
        except (*NO_ANSWER, SlackClientError) as error:
            raise EngineError(
                say("Slack does not answer. Nothing was changed. Send the command again.")
            ) from error


_NO_RIGHT = later(
    "Slack does not let the bot read the file {name}: its token lacks `files:read`. Nothing was changed. Whoever keeps "
    "the app adds that scope and installs it again."
)


def _attached(asked: Invocation) -> str:
    files = asked.place.files if asked.place else ()
    if len(files) == 1:
        return files[0]
    if not files:
        raise UsageError(
            say(
                "No file came with this command. Nothing was changed. Mention the bot in the message that the file is "
                "attached to, or give the file’s id or link."
            )
        )
    raise UsageError(
        say(
            "{number} files came with this command. Nothing was changed. Say which: {files}.",
            number=len(files),
            files=", ".join(files),
        )
    )


def _may_see(file: SlackFile, asked: Invocation) -> bool:
    if asked.origin is Origin.CLI:
        return True
    here = asked.place.channel if asked.place else ""
    return file.user == asked.actor.id or here in file.places


@contextmanager
def _in_words(file: SlackFile) -> Iterator[None]:
    name = printable(file.name)
    try:
        yield
    except BotError:
        raise
    except LoginPage as error:
        raise EngineError(say(_NO_RIGHT, name=name)) from error
    except ForeignHost as error:
        raise EngineError(
            say(
                "The file {name} lies at {host}, which is not Slack’s. It was not fetched, and nothing was changed.",
                name=name,
                host=error,
            )
        ) from error
    except NO_ANSWER as error:
        raise EngineError(
            say(
                "Fetching {name} from Slack broke off. Nothing of it was kept. Send the command again.",
                name=name,
            )
        ) from error
