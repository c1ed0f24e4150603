"""What of texts of others people and the audit log are shown: no part of a password, and the rest as it was."""

from __future__ import annotations

import pytest

from bot.secrecy import masked, scrub

DIGEST = f"sha256:{'0a' * 32}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see postgres://u:p@ss@h/db now", "see postgres://…@h/db now"),
        ("postgres://u:p/ss@h/db", "postgres://…@h/db"),
        ("'postgres://u:p'\"@/@ss@h'", "'postgres://…@h'"),
        (
            "https://ann:hunter2@example.com, https://example.com",
            "https://…@example.com, https://example.com",
        ),
        (f"http://u:p@host:5000/app@{DIGEST}", f"http://…@host:5000/app@{DIGEST}"),
        (f"http://host:5000/app@{DIGEST}", f"http://host:5000/app@{DIGEST}"),
        ("mail ann@example.com", "mail ann@example.com"),
    ],
)
def test_credentials_of_urls_go_whole(text: str, shown: str) -> None:
    """Whatever signs a password has, all of it goes; digests of images, addresses of people and the rest stay."""
    assert masked(text) == shown
    assert scrub(text) == shown.replace("…@", "")


def test_a_long_word_takes_no_long_time() -> None:
    """A megabyte of beginnings of URLs is looked through once, not once for each of them."""
    text = "://" * 350_000
    assert masked(text) == text
