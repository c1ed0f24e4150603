"""`shipkeeper serve` as a process: a hangup and a changed file reload its roles, and a wrong file ends nothing."""

from __future__ import annotations

import json
import signal
import tomllib
import urllib.request
from pathlib import Path

import pytest

from bot.playground import Playground
from tests.support.canaries import canary
from tests.support.process import Served, Site, until
from tests.support.registries import free_port

pytestmark = pytest.mark.slack


def _roles(site: Site, served: Served) -> str:
    """What `whoami` says of Ann's roles."""
    served.asked("/docker", "whoami")
    run_id = site.newest_run()
    until(lambda: site.has_ended(run_id), saying="the ending")
    return str(site.run(run_id)["reply"])


def _written(site: Site, kind: str) -> list[str]:
    return [str(row["detail"]) for row in site.rows("SELECT detail FROM audit WHERE kind = ?", kind)]


def _ready(toml: str) -> dict[str, bool]:
    listen = tomllib.loads(toml)["slack"]["listen"]
    with urllib.request.urlopen(f"http://{listen}/readyz", timeout=5) as answer:
        return dict(json.load(answer))


def test_roles_are_reloaded_while_the_bot_serves(playground: Playground, tmp_path: Path) -> None:
    """By signal and by the file alone; with an error all stays, and both are in the audit log."""
    with Site(tmp_path / "s", docker_host=f"unix://{tmp_path}/none.sock", slack=playground) as site:
        file = tmp_path / "s" / "settings.toml"
        before = file.read_text().replace("127.0.0.1:0", f"127.0.0.1:{free_port()}")
        file.write_text(before)
        served = site.serve().connected()
        assert "operators" in _roles(site, served)

        file.write_text(before.replace('right = "admin"', 'right = "owner"'))
        served.process.send_signal(signal.SIGHUP)
        until(lambda: _written(site, "policy-refused"), saying="the refusal")
        assert "roles.operators.right" in _written(site, "policy-refused")[0]
        assert "operators" in _roles(site, served)

        long = f'[registries.hub]\nhost = "docker.io"\nusername = "bot"\npassword_file = "{canary("word") * 20}"\n'
        file.write_text(before + long)
        served.process.send_signal(signal.SIGHUP)
        until(lambda: len(_written(site, "policy-refused")) == 2, saying="the second refusal")
        assert "`password_file` names no file" in _written(site, "policy-refused")[1]
        assert _ready(before)["settings"]

        file.write_text(before.replace("U0ANN", "U0BOB"))
        served.process.send_signal(signal.SIGHUP)
        until(lambda: _written(site, "policy-changed"), saying="the change")
        assert _written(site, "policy-changed") == ["roles.operators.members: U0ANN, U0ADA -> U0BOB, U0ADA"]
        assert "operators" not in _roles(site, served)

        file.write_text(before)
        until(lambda: len(_written(site, "policy-changed")) == 2, saying="the change without a signal")
        assert "operators" in _roles(site, served)
        assert served.stop() == 0
