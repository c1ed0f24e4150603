"""What `shipkeeper --help` and `--version` say, and all that they load: it must know no other room but language."""

from __future__ import annotations

from collections.abc import Sequence

from bot.language import later, say

HELP = frozenset({"--help", "-h"})
VERSION = "--version"
_USAGE = later("""\
shipkeeper runs Docker's dangerous daily verbs, and calls nothing done that is not proven done.

  shipkeeper serve                     run the bot: Slack, and everything that is asked of it
  shipkeeper demo [--script]           try it: a chat page on this machine, or a played conversation
  shipkeeper manifest [--format yaml]  print the Slack app manifest
  shipkeeper example-settings          print a settings file with every key
  shipkeeper reference commands|settings  print the manual of them, as Markdown
  shipkeeper completion bash|zsh|fish  print what makes a shell complete command lines:
                                       source <(shipkeeper completion bash)
  shipkeeper audit verify FILE [--head SEQ:HASH]  verify an export of the audit log, without database and settings
  shipkeeper state backup FILE         write all that the bot knows to a file, also while it serves
  shipkeeper state restore FILE        put it back, where no state is
  shipkeeper --version                 print the version
  shipkeeper COMMAND… [--json] [--key KEY] [--files DIRECTORY]
                                       any command of the bot's; `shipkeeper help` lists them. Files that come
                                       with the answer go to this directory, or to the given one

Exit codes: 0 succeeded, 1 failed, 2 rejected, 3 denied, 4 partial.
""")


def told() -> str:
    """How the program is used."""
    return say(_USAGE)


def version_told() -> str:
    """Its name and version."""
    from importlib.metadata import version  # costs more than all the rest here

    return f"shipkeeper {version('shipkeeper')}"


def asked(argv: Sequence[str]) -> str | None:
    """What is said to whoever asks for nothing else; None where something is to be done."""
    if argv[:1] == [VERSION]:
        return version_told()
    return told() if HELP.intersection(argv[:1]) else None
