"""The seals of the audit log: over exactly the canonical JSON that anybody can make, whatever the words are."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import UsageError
from bot.seals import GENESIS, KEYED, PLAIN, WORDS, Head, Sealer

_TEXT = st.text(st.characters(exclude_categories=("Cs",)))
_WORDS = st.fixed_dictionaries(
    {name: _TEXT for name in WORDS if name not in ("seq", "format", "channel", "command")}
    | {"seq": st.integers(min_value=1), "channel": st.none() | _TEXT, "command": st.none() | _TEXT}
)


@given(_WORDS, st.sampled_from([PLAIN, KEYED]))
def test_a_seal_is_over_canonical_json(words: dict[str, Any], form: int) -> None:
    """Sorted keys, no spaces, UTF-8: what the words and the hash before them are as JSON."""
    entry = {**words, "format": form}
    text = json.dumps({**entry, "before": GENESIS}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    expected = (
        hmac.new(b"key", text.encode(), hashlib.sha256).hexdigest()
        if form == KEYED
        else hashlib.sha256(text.encode()).hexdigest()
    )
    assert Sealer(b"key").seal(entry, GENESIS) == expected


@pytest.mark.parametrize("odd", [True, 1.5, b"bytes", ["list"], "\udcff"])
def test_what_no_entry_holds_fits_no_seal(odd: object) -> None:
    """A word of another kind, or one that is no text, is no error but no fit."""
    entry = {**dict.fromkeys(WORDS, ""), "seq": 1, "format": PLAIN, "detail": odd, "hash": "x"}
    assert not Sealer().fits(entry, GENESIS)


@pytest.mark.parametrize("text", ["", "1", "1:", f"0:{GENESIS}", f"-1:{GENESIS}", f"1:{GENESIS}0", "1:xyz"])
def test_what_is_no_head_is_refused(text: str) -> None:
    """The sentence shows what one looks like."""
    with pytest.raises(UsageError, match="no head of the audit log"):
        Head.parse(text)
