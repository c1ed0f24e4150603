"""Certificates for a daemon and its client, made by openssl for one test, and strangers' ones that must not do.

It must not know who serves with them.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from bot.engine.address import Access

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")


class Authority:
    """A CA that signed a server and a client, and another CA that signed another client."""

    def __init__(self, directory: Path) -> None:
        if shutil.which("openssl") is None:
            pytest.skip("Certificates need the program openssl.")
        self._directory = directory
        self.ca = self._authority("ca")
        self.strange_ca = self._authority("strange-ca")
        self.client = self._signed("client", "ca", "extendedKeyUsage=clientAuth")
        self.strange_client = self._signed("strange-client", "strange-ca", "extendedKeyUsage=clientAuth")
        self.port = 0

    def serve(self, address: str) -> tuple[str, ...]:
        """dockerd's words for listening there with TLS that demands a client's certificate; chooses `port`."""
        with socket.socket() as probe:
            probe.bind((address, 0))
            self.port = probe.getsockname()[1]
        server = self._signed("server", "ca", f"subjectAltName=IP:{address}")
        return (
            f"--host=tcp://{address}:{self.port}",
            "--tlsverify",
            f"--tlscacert={self.ca}",
            f"--tlscert={server}",
            f"--tlskey={server.with_suffix('.key')}",
        )

    def access(self, *, ca: Path | None = None, client: Path | None = None) -> Access:
        """What a host of the settings says to be let in, or something wrong in its place."""
        shown = client or self.client
        return Access(
            ca_file=str(ca or self.ca), cert_file=str(shown), key_file=str(shown.with_suffix(".key"))
        )

    def _authority(self, name: str) -> Path:
        self._openssl("req", "-x509", *_KEY, "-subj", f"/CN={name}", *self._files(name))
        return self._directory / f"{name}.pem"

    def _signed(self, name: str, ca: str, extension: str) -> Path:
        by = ("-CA", f"{self._directory}/{ca}.pem", "-CAkey", f"{self._directory}/{ca}.key")
        more = ("-addext", extension, "-addext", "basicConstraints=critical,CA:FALSE")
        self._openssl("req", "-x509", *by, *_KEY, "-subj", f"/CN={name}", *more, *self._files(name))
        return self._directory / f"{name}.pem"

    def _files(self, name: str) -> tuple[str, ...]:
        return ("-keyout", f"{self._directory}/{name}.key", "-out", f"{self._directory}/{name}.pem")

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], check=True, capture_output=True)
