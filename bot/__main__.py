"""The front door: the only file that knows both the bot and its commands.

A shell that completes a command line asks at every press of a key: for that nothing is loaded but what is needed.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence

COMPLETE = "complete"
"""How the shells' scripts ask: `shipkeeper complete -- WORDS…`; not for people, and in no manual."""

_SELDOM = (20_000, 20, 20)
"""Nothing of what is loaded is ever garbage, and looking for some as often as usual takes a twentieth of the start."""


def main() -> int:
    """Run `shipkeeper` with this process's words; the exit code."""
    # Looking for plug-ins reads every package's metadata.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    if sys.argv[1:3] == [COMPLETE, "--"]:
        sys.stdout.write(_offered(sys.argv[3:]))
        sys.stdout.flush()
        os._exit(0)  # without waiting for a host that is still being asked
    if (told := _told(sys.argv[1:])) is not None:
        print(told)
        return 0
    gc.set_threshold(*_SELDOM)
    import handlers
    from bot import cli

    return cli.main(sys.argv[1:], handlers.load())


def _told(words: Sequence[str]) -> str | None:
    from bot.language import of_environment, speaking
    from bot.usage import asked

    with speaking(of_environment(os.environ)):
        return asked(words)


def _offered(words: Sequence[str]) -> str:
    from bot.environment import shell_user, state_directory
    from bot.language import of_environment
    from bot.tabdoor import asked

    language, user = of_environment(os.environ), shell_user()
    try:
        told = asked(state_directory(os.environ, []), words, user, language)
    except TimeoutError:
        return ""
    return _looked(words, user, language) if told is None else told


def _looked(words: Sequence[str], user: str, language: str) -> str:
    """Where no bot serves, this process looks by itself; what cannot be looked at is not worth a word here."""
    gc.disable()  # a tenth of the time that loading takes
    import logging

    import handlers
    from bot.errors import BotError
    from bot.language import speaking
    from bot.lookout import offered
    from bot.settings import SettingsError, read

    logging.disable()  # what is written to a terminal would stand in the middle of a line
    try:
        with speaking(language):
            return offered(read(), handlers.load(), words, user)
    except (SettingsError, BotError):
        return ""


if __name__ == "__main__":
    sys.exit(main())
