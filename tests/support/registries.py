"""Real registries on loopback, by Debian's docker-registry: with users, read-only, with TLS, frozen, killed.

It must not know the product; what lies in a registry is put there over its own API.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import socket
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
import requests

from tests.support.process import until

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'


@dataclass(frozen=True, kw_only=True)
class Certificates:
    """An authority of its own, and a certificate from it for 127.0.0.1."""

    ca: Path
    certificate: Path
    key: Path


def make_certificates(directory: Path) -> Certificates:
    """Make them with the program openssl."""
    made = Certificates(
        ca=directory / "ca.pem", certificate=directory / "server.pem", key=directory / "server.key"
    )
    (directory / "san").write_text("subjectAltName=IP:127.0.0.1\n")
    key, request = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"], str(directory / "csr")
    ca_key = str(directory / "ca.key")
    _openssl("req", "-x509", *key, "-subj", "/CN=test-authority", "-keyout", ca_key, "-out", str(made.ca))
    _openssl("req", *key, "-subj", "/CN=127.0.0.1", "-keyout", str(made.key), "-out", request)
    _openssl(
        "x509", "-req", "-in", request, "-CA", str(made.ca), "-CAkey", ca_key, "-CAcreateserial",
        "-extfile", str(directory / "san"), "-out", str(made.certificate),
    )  # fmt: skip
    return made


def _openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=30)


class RealRegistry:
    """One docker-registry process on a port of its own, storing below `directory`."""

    def __init__(
        self,
        directory: Path,
        *,
        users: Mapping[str, str] | None = None,
        read_only: bool = False,
        tls: Certificates | None = None,
    ) -> None:
        for program in ("docker-registry", *(("htpasswd",) if users else ())):
            if shutil.which(program) is None:
                pytest.skip(f"Tests of registries need the program {program}: `deploy/setup.sh tests`.")
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._users = dict(users or {})
        self._tls = tls
        self.read_only = read_only
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        if users:
            (directory / "users").write_text("".join(_htpasswd(*one) for one in users.items()))

    @property
    def host(self) -> str:
        """As images' names begin with it."""
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """All it wrote."""
        return (self._directory / "log").read_text()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self, *, read_only: bool | None = None) -> None:
        """Start it, and wait until it is this very process that answers."""
        if read_only is not None:
            self.read_only = read_only
        word = uuid.uuid4().hex
        file = self._directory / "config.yml"
        file.write_text(json.dumps(self._config(word)))  # JSON is YAML
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["docker-registry", "serve", str(file)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        until(lambda: self._answers(word), seconds=20, saying="the registry's answer", every=0.02)

    def kill(self) -> None:
        """kill -9, and wait until it is gone. May be called twice."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """It takes connections and says nothing more: each of its threads stands still when this returns."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        tasks = Path(f"/proc/{self._process.pid}/task")
        until(lambda: all(map(_stands_still, tasks.iterdir())), saying="a frozen registry")

    def thaw(self) -> None:
        """It goes on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def put(self, repository: str, tag: str, content: str = "") -> str:
        """An image without layers; the digest of its manifest, which differs with `content`."""
        config = _CONFIG[:-1] + f',"comment":{json.dumps(content)}}}'.encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "size": len(config),
                "digest": _digest(config),
            },
            "layers": [],
        }
        body = json.dumps(manifest).encode()
        begun = self.ask("POST", f"{repository}/blobs/uploads/")
        upload = begun.headers["Location"].partition("/v2/")[2]
        self.ask("PUT", f"{upload}&digest={_digest(config)}", data=config)
        self.ask("PUT", f"{repository}/manifests/{tag}", data=body, headers={"Content-Type": MANIFEST})
        return _digest(body)

    def digest(self, repository: str, tag: str) -> str | None:
        """What it serves under the tag, asked without the product."""
        answer = self.ask(
            "HEAD", f"{repository}/manifests/{tag}", headers={"Accept": MANIFEST}, may_fail=True
        )
        return answer.headers.get("Docker-Content-Digest") if answer.status_code == 200 else None

    def ask(self, method: str, path: str, *, may_fail: bool = False, **how: Any) -> requests.Response:
        """One request as its first user."""
        answer = requests.request(
            method,
            f"{self._scheme}://{self.host}/v2/{path}",
            auth=next(iter(self._users.items()), None),
            verify=str(self._tls.ca) if self._tls else None,
            timeout=10,
            **how,
        )
        if not may_fail:
            answer.raise_for_status()
        return answer

    @property
    def _scheme(self) -> str:
        return "https" if self._tls else "http"

    def _config(self, word: str) -> Mapping[str, Any]:
        http: dict[str, Any] = {"addr": self.host, "headers": {"X-Shipkeeper": [word]}}
        if self._tls:
            http["tls"] = {"certificate": str(self._tls.certificate), "key": str(self._tls.key)}
        made: dict[str, Any] = {
            "version": 0.1,
            "log": {"level": "warn"},
            "storage": {
                "filesystem": {"rootdirectory": str(self._directory / "data")},
                "maintenance": {"readonly": {"enabled": self.read_only}},
            },
            "http": http,
        }
        if self._users:
            made["auth"] = {"htpasswd": {"realm": "test", "path": str(self._directory / "users")}}
        return made

    def _answers(self, word: str) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"the registry ended: {self.log[-1000:]}")
        try:
            return self.ask("GET", "", may_fail=True).headers.get("X-Shipkeeper") == word
        except requests.ConnectionError:
            return False


def _stands_still(task: Path) -> bool:
    """Whether a thread is stopped, by the state in its `stat` (proc(5)), behind the name in brackets."""
    return (task / "stat").read_text().rpartition(")")[2].split()[0] == "T"


@contextmanager
def frozen(registry: RealRegistry) -> Iterator[None]:
    """While the body runs, it says nothing."""
    registry.freeze()
    try:
        yield
    finally:
        registry.thaw()


def free_port() -> int:
    """A port of loopback on which nobody listens now."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def _htpasswd(user: str, password: str) -> str:
    """A line with a bcrypt hash, the only kind that docker-registry takes."""
    words = ["htpasswd", "-niB", "-C", "4", user]
    done = subprocess.run(words, input=password, capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.strip() + "\n"


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
