"""The one catalogue of what people are told: sentences are written in English and said in the language of the thread.

`locale/<language>/LC_MESSAGES/shipkeeper.po` holds the translations, in gettext's format. Logs, settings and what
is stored by name (codes, facts, commands) are not said and stay as they are.
"""

from __future__ import annotations

import gettext
import io
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import cache
from pathlib import Path
from typing import Final

ENGLISH: Final = "en"
LANGUAGES: Final = (ENGLISH, "ko")
"""What the bot speaks, by ISO 639-1."""

DOMAIN: Final = "shipkeeper"

_spoken: ContextVar[str] = ContextVar("spoken", default=ENGLISH)


def say(sentence: str, /, **values: object) -> str:
    """The sentence in the language that is spoken here, with the values in place of `{name}`, as str.format takes it.

    Without values braces stand for themselves.
    """
    said = catalogue(_spoken.get()).gettext(sentence) if sentence else ""
    return said.format_map(values) if values else said


def say_count(one: str, many: str, number: int, /, **values: object) -> str:
    """`one` or `many`, as the language wants it for the number, which is `{number}` in both."""
    said = catalogue(_spoken.get()).ngettext(one, many, number)
    return said.format_map({"number": number, **values})


def later(sentence: str, /) -> str:
    """The sentence as it stands: it is in the catalogue, and whoever shows it uses `say`."""
    return sentence


def listed(things: list[str] | tuple[str, ...]) -> str:
    """The things with commas, and a word before the last: `a, b and c`."""
    if len(things) < 2:
        return "".join(things)
    return say("{things} and {last}", things=", ".join(things[:-1]), last=things[-1])


def spoken() -> str:
    """The language of this thread."""
    return _spoken.get()


@contextmanager
def speaking(language: str | None) -> Iterator[None]:
    """Say everything in that language meanwhile; in English where it is not known, or none of ours."""
    before = _spoken.set(language if language in LANGUAGES else ENGLISH)
    try:
        yield
    finally:
        _spoken.reset(before)


def language_of(locale: str | None) -> str:
    """The language of a locale such as `ko-KR` or `ko_KR.UTF-8`; English for one that the bot does not speak."""
    language = (locale or "").replace("-", "_").partition(".")[0].partition("_")[0].lower()
    return language if language in LANGUAGES else ENGLISH


def of_environment(environment: Mapping[str, str]) -> str:
    """The language of a shell, by the first of POSIX's variables for messages that is set."""
    names = ("LC_ALL", "LC_MESSAGES", "LANG")
    return language_of(next((environment[name] for name in names if environment.get(name)), None))


class Thread(threading.Thread):
    """A thread that speaks as the one that made it."""

    def __init__(self, target: Callable[[], object], *, name: str) -> None:
        spoken_here = copy_context()
        super().__init__(target=lambda: spoken_here.run(target), name=name, daemon=True)


@cache
def catalogue(language: str) -> gettext.NullTranslations:
    """The translations into a language; none are needed for English."""
    if language == ENGLISH:
        return gettext.NullTranslations()
    from babel.messages.mofile import write_mo  # half of a tenth of a second that English never needs
    from babel.messages.pofile import read_po

    with path_of(language).open("rb") as written:
        messages = read_po(written, locale=language, domain=DOMAIN)
    compiled = io.BytesIO()
    write_mo(compiled, messages)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def path_of(language: str) -> Path:
    """Where the translations into a language are written."""
    return Path(__file__).parent / "locale" / language / "LC_MESSAGES" / f"{DOMAIN}.po"
