"""Makes images in a real engine that no registry has: one file of random bytes. It knows nothing of the product."""

from __future__ import annotations

import io
import json
import os
import tarfile
from typing import Any

LABEL = "LABEL made=here"


def new_image(api: Any, name: str, size: int = 0) -> str:
    """An image of that name, with the label `made=here` and that many bytes that cannot be compressed; its id."""
    repository, _, tag = name.rpartition(":")
    answer = api.import_image_from_data(_layer(size), repository=repository, tag=tag, changes=[LABEL])
    return str(json.loads(answer.splitlines()[-1])["status"])


def _layer(size: int) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        data = os.urandom(16 + size)
        info = tarfile.TarInfo("content")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    return held.getvalue()
