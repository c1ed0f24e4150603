"""deploy/engine.sh gives an engine, may be called again and at once, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from bot.engine.real import DockerEngine
from tests.support.busybox import DockerBench
from tests.support.engine_available import require_engine, require_private_engine
from tests.support.engine_script import (
    SCRIPT,
    dockerd_pid,
    environment_of,
    private_engine,
    run_script,
    short_directory,
)

pytestmark = pytest.mark.engine


@pytest.fixture
def directory() -> Iterator[Path]:
    """A running private engine."""
    require_private_engine()
    with private_engine() as made:
        yield made


def _processes_naming(directory: Path) -> list[str]:
    """Command lines of living processes that name the directory, but for the tests' own."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if str(directory) in words:
                found.append(words)
    return found


def test_shell_can_read_the_script() -> None:
    """The script has no syntax error."""
    subprocess.run(["bash", "-n", str(SCRIPT)], check=True)


def test_engine_and_registry_answer(directory: Path) -> None:
    """After `up` both addresses in the env file answer, and `env` prints that file."""
    variables = environment_of(directory)
    engine = DockerEngine("private", base_url=variables["DOCKER_HOST"])
    assert engine.info().address == f"unix://{directory}/docker.sock"
    engine.close()
    answer = requests.get(f"http://{variables['SHIPKEEPER_TEST_REGISTRY']}/v2/", timeout=10)
    assert answer.status_code == 200
    assert run_script("env", str(directory)).stdout == (directory / "env").read_text()


def test_up_again_changes_nothing(directory: Path) -> None:
    """A second `up`, and two at once, leave the same daemon and the same env file."""
    pid, env = dockerd_pid(directory), (directory / "env").read_text()
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _: run_script("up", str(directory)), range(2)))
    assert [run.returncode for run in runs] == [0, 0]
    assert (dockerd_pid(directory), (directory / "env").read_text()) == (pid, env)


def test_two_ups_at_once_start_one_engine() -> None:
    """Two processes that start from nothing end up with one daemon and one registry."""
    require_private_engine()
    directory = short_directory()
    try:
        with ThreadPoolExecutor(2) as pool:
            runs = list(pool.map(lambda _: run_script("up", str(directory)), range(2)))
        assert [run.returncode for run in runs] == [0, 0], [run.stderr for run in runs]
        words = _processes_naming(directory)
        assert sum(line.startswith("dockerd\0") for line in words) == 1
        assert sum(line.startswith("docker-registry\0") for line in words) == 1
    finally:
        run_script("down", str(directory))


def test_down_leaves_nothing() -> None:
    """`down` ends running containers, daemon, containerd and registry, unmounts all and removes the directory."""
    require_private_engine()
    with private_engine() as directory:
        bench = DockerBench(environment_of(directory)["DOCKER_HOST"])
        bench.run("sleeper")
        bench.api.close()
    assert not directory.exists()
    assert not Path(f"{directory}.lock").exists()
    assert f" {directory}" not in Path("/proc/mounts").read_text()
    assert _processes_naming(directory) == []
    assert run_script("down", str(directory)).returncode == 0


def test_down_after_a_crash_leaves_nothing() -> None:
    """After SIGKILL of dockerd its orphaned containers are ended too."""
    require_private_engine()
    with private_engine() as directory:
        bench = DockerBench(environment_of(directory)["DOCKER_HOST"])
        bench.run("sleeper")
        bench.api.close()
        os.kill(dockerd_pid(directory), 9)
    assert not directory.exists()
    assert f" {directory}" not in Path("/proc/mounts").read_text()
    assert _processes_naming(directory) == []


def test_present_engine_is_used(directory: Path, tmp_path: Path) -> None:
    """With a DOCKER_HOST that answers nothing is started, and `down` leaves that engine alone."""
    other = tmp_path / "e"
    if len(str(other)) > 60:
        other = short_directory()
    url = environment_of(directory)["DOCKER_HOST"]
    chosen = {"SHIPKEEPER_ENGINE_PRIVATE": "", "DOCKER_HOST": url}
    up = run_script("up", str(other), extra=chosen)
    assert up.returncode == 0, up.stderr
    assert environment_of(other)["DOCKER_HOST"] == url
    assert not (other / "docker.sock").exists()
    assert run_script("down", str(other), extra=chosen).returncode == 0
    assert not other.exists()
    engine = DockerEngine("private", base_url=url)
    assert engine.info().version
    engine.close()


def test_foreign_directory_is_left_alone(tmp_path: Path) -> None:
    """A directory that the script did not make is neither used nor removed."""
    directory = short_directory()
    directory.mkdir()
    precious = directory / "precious"
    precious.write_text("mine")
    try:
        assert run_script("down", str(directory)).returncode == 1
        if os.geteuid() == 0:
            require_private_engine()
            assert run_script("up", str(directory)).returncode == 1
        assert precious.read_text() == "mine"
    finally:
        precious.unlink()
        directory.rmdir()
        Path(f"{directory}.lock").unlink(missing_ok=True)
    assert tmp_path.exists()


@pytest.mark.parametrize(
    ("words", "status"),
    [((), 2), (("fly",), 2), (("up", "relative"), 3), (("up", "/" + "x" * 80), 3), (("up", "/tmp/a b"), 3)],
)
def test_wrong_use_says_why(words: tuple[str, ...], status: int) -> None:
    """Wrong words or a directory that cannot work end with a sentence and the right status."""
    run = run_script(*words)
    assert run.returncode == status
    assert run.stderr.startswith("engine.sh: ")
    assert len(run.stderr.splitlines()) == 1


def test_without_root_says_what_to_do() -> None:
    """Who may not start a daemon, and has none, learns so in one sentence, exit 3."""
    if os.geteuid() != 0:
        pytest.skip("Only root can become somebody else.")
    run = subprocess.run(
        [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "bash",
            "-s",
            "up",
            "/var/tmp/skt-nobody",
        ],
        stdin=SCRIPT.open(),
        env={"PATH": os.environ["PATH"], "SHIPKEEPER_ENGINE_PRIVATE": "1"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    Path("/var/tmp/skt-nobody.lock").unlink(missing_ok=True)
    assert run.returncode == 3
    assert "only root can start one" in run.stderr


def test_default_directory_needs_no_word() -> None:
    """`env` without a directory reads the one that SHIPKEEPER_ENGINE_DIR names."""
    require_engine()
    run = run_script("env", extra={"SHIPKEEPER_ENGINE_DIR": "/var/tmp/skt-nothing"})
    assert run.returncode == 1
    assert "/var/tmp/skt-nothing" in run.stderr
