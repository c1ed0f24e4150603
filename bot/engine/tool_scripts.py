"""The shell scripts that tools run, and how names get into them unharmed. Words only: it must not know the engine."""

from __future__ import annotations

from bot.engine.translate import scrub
from bot.errors import EngineError
from bot.language import say

MOUNT_POINT = "/volume"

MISSING, TAKEN, APART, FAILED, BOTH = 44, 49, 45, 46, 47
"""Exit codes of ours: no `new`; `aside` exists; not one file system; a program failed; old and new both exist."""

_UNESCAPED = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-")

# Words travel as JSON, which holds no bytes that are not UTF-8; so they are escaped. `x` saves line feeds at the end.
_UNESCAPE = 'for word do word=$(printf "%bx" "$word"); shift; set -- "$@" "${word%x}"; done\n'

_EXCHANGE_PARTS = """
place=$1 new=$2 aside=$3
mark=$aside.nothing-was-there
is() { [ -e "$1" ] || [ -L "$1" ]; }
rename() { mv -T -- "$1" "$2" && sync -- "${1%/*}" "${2%/*}"; }
"""

# Between two file systems `mv` would copy, which is neither quick nor whole at every moment.
# What is new goes to the disk before it gets its name: a power cut must not leave empty files there.
_EXCHANGE = """
home=$(stat -c %d -- "${place%/*}") || exit FAILED
one() { [ "$(stat -c %d -- "$1")" = "$home" ]; }
is "$new" || exit MISSING
if is "$aside"; then exit TAKEN; fi
one "$new" && one "${new%/*}" && one "${aside%/*}" || exit APART
sync -f -- "${new%/*}" || exit FAILED
if is "$place"; then
    one "$place" || exit APART
    rename "$place" "$aside" || exit FAILED
else
    : >"$mark" && sync -- "$mark" "${mark%/*}" || exit FAILED
fi
rename "$new" "$place" && exit
if is "$aside"; then rename "$aside" "$place"; else rm -f -- "$mark"; fi
exit FAILED
"""

# The mark tells a place that was empty from one that never lost what it holds.
_EXCHANGE_BACK = """
if is "$aside"; then
    if is "$place"; then
        if is "$new"; then exit BOTH; fi
        rename "$place" "$new" || exit FAILED
    fi
    rename "$aside" "$place" || exit FAILED
elif is "$mark"; then
    if is "$place" && ! is "$new"; then rename "$place" "$new" || exit FAILED; fi
    rm -f -- "$mark"
fi
"""

_REMOVE = """
rm -rf --one-file-system --preserve-root=all -- "$1" || exit
if [ -d "${1%/*}" ]; then sync -- "${1%/*}"; fi
"""

_FREE = 'stat -f -c "%a %S" -- "$1"'


def _with_codes(script: str) -> str:
    codes = {"MISSING": MISSING, "TAKEN": TAKEN, "APART": APART, "FAILED": FAILED, "BOTH": BOTH}
    for name, code in codes.items():
        script = script.replace(f"exit {name}", f"exit {code}")
    return script


EXCHANGE = _with_codes(_EXCHANGE_PARTS + _EXCHANGE)
EXCHANGE_BACK = _with_codes(_EXCHANGE_PARTS + _EXCHANGE_BACK)
REMOVE = _REMOVE
FREE = _FREE


def command(script: str, *paths: str) -> tuple[str, ...]:
    """The words that run a script on paths, which it sees as `$1`, `$2` … byte for byte."""
    return ("/bin/sh", "-c", _UNESCAPE + script, "sh", *(escaped(path) for path in paths))


def escaped(path: str) -> str:
    """ASCII from which the shell's `printf %b` makes the path's bytes."""
    raw = path.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if byte in _UNESCAPED else f"\\0{byte:03o}" for byte in raw)


def below_mount(path: str) -> str:
    """Where a path relative to the mount is in the tool; raises EngineError when it could lie outside or be all."""
    if any(part in ("", ".", "..") for part in path.split("/")) or "\0" in path:
        raise EngineError(
            say(
                "“{path}” does not name anything below what is mounted. Nothing was changed.",
                path=scrub(path),
            )
        )
    return f"{MOUNT_POINT}/{path}"
