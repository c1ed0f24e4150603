"""The front door: the only file that knows both the bot and its commands."""

from __future__ import annotations

import sys

import handlers
from bot import cli


def main() -> int:
    """Run `shipkeeper` with this process's words; the exit code."""
    return cli.main(sys.argv[1:], handlers.load())


if __name__ == "__main__":
    sys.exit(main())
