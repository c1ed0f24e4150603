"""Reads how a registry wants to be told who asks (RFC 9110, section 11.6.1). It must not send anything."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_PARAMETER = re.compile(rf'\s*,?\s*({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))')
_SCHEME = re.compile(rf"\s*,?\s*({_TOKEN})(?=\s|,|$)")


@dataclass(frozen=True, kw_only=True)
class Challenge:
    """`scheme` is `basic` or `bearer`; the parameters' names are lower-case."""

    scheme: str
    parameters: Mapping[str, str]


def read(header: str) -> Challenge | None:
    """The first challenge of a `WWW-Authenticate` that can be answered; None without one."""
    at, found = 0, []
    while scheme := _SCHEME.match(header, at):
        at, parameters = scheme.end(), {}
        while parameter := _PARAMETER.match(header, at):
            at = parameter.end()
            quoted, plain = parameter.group(2), parameter.group(3)
            parameters[parameter.group(1).lower()] = (
                plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            )
        found.append(Challenge(scheme=scheme.group(1).lower(), parameters=parameters))
    known = [challenge for challenge in found if challenge.scheme in ("basic", "bearer")]
    return known[0] if known else None


def may_have_password(realm: str, registry: str, *, insecure: bool) -> bool:
    """Whether a realm may be sent the password: over TLS any, without it the registry itself where settings say so.

    Raises ValueError for what is no URL.
    """
    parts = urlsplit(realm)
    if parts.scheme == "https":
        return bool(parts.hostname)
    return insecure and parts.scheme == "http" and parts.netloc.lower() == registry.lower()
