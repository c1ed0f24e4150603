"""deploy/Dockerfile, as far as that goes without building it: what it copies is there, and is all that is needed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bot.engine.tools_image import PROGRAMS
from bot.sections import SlackSection
from bot.web import make_web

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "deploy" / "Dockerfile").read_text()
KNOWN = {"FROM", "RUN", "WORKDIR", "COPY", "USER", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
ESSENTIAL = {"coreutils", "dash", "findutils", "libc-bin"}
"""Packages that no Debian is without (Debian policy, 3.8)."""


def _instructions() -> list[tuple[str, str]]:
    """Each instruction with its words, as Docker joins lines: comments go first, then line ends behind a backslash."""
    lines = [line for line in TEXT.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", "", "\n".join(lines))
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in joined.splitlines())]


def _all(name: str) -> list[str]:
    return [rest for found, rest in _instructions() if found == name]


def _copied() -> list[tuple[list[str], str]]:
    """What each COPY takes, and whereto."""
    return [(words[:-1], words[-1]) for words in (rest.split() for rest in _all("COPY"))]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, built as the image does from what the image has; unpacked."""
    place, tracked = tmp_path_factory.mktemp("image"), _tracked()
    for sources, target in _copied():
        for source in sources:
            for name in tracked:
                if name == source or name.startswith(f"{source}/"):
                    to = place / (name if target == "./" else f"{target}{name.removeprefix(source)}")
                    to.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(ROOT / name, to)
    made = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", place / "dist"],
        cwd=place,
        env={"PATH": "/usr/bin:/bin", "HOME": str(place)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert made.returncode == 0, made.stderr
    (file,) = (place / "dist").glob("*.whl")
    with zipfile.ZipFile(file) as packed:
        packed.extractall(place / "installed")
    return place / "installed"


def _tracked() -> list[str]:
    if not (ROOT / ".git").exists():
        pytest.skip("which files belong to the project is known to git alone, and this is no clone")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return listed.stdout.splitlines()


def test_every_instruction_is_one_that_is_looked_at() -> None:
    """A new kind of instruction needs a look at these tests."""
    assert {name for name, _ in _instructions()} <= KNOWN
    assert [rest.rpartition(":")[2] for rest in _all("FROM")] == ["3.11-slim-bookworm"]


def test_what_is_copied_is_there_and_let_through() -> None:
    """Each source is in the repository, and .dockerignore lets through these and no others."""
    sources = [source for taken, _ in _copied() for source in taken]
    assert [source for source in sources if not (ROOT / source).exists()] == []
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == set(sources)


def test_the_package_has_all_that_it_needs(wheel: Path) -> None:
    """Migrations, the catalogue, the page, the shells' scripts: whatever is no module goes along."""
    wanted = {name for name in _tracked() if name.startswith(("bot/", "handlers/"))}
    packed = {str(one.relative_to(wheel)) for one in wheel.rglob("*") if one.is_file()}
    assert wanted - packed == set()
    (entries,) = wheel.glob("*.dist-info/entry_points.txt")
    assert "shipkeeper = bot.__main__:main" in entries.read_text()


def test_the_package_runs(wheel: Path, tmp_path: Path) -> None:
    """From nothing but the package and its dependencies, the program says its version and prints its manifest."""
    for words, says in ((["--version"], "shipkeeper "), (["manifest"], "display_information")):
        done = subprocess.run(
            [sys.executable, "-m", "bot", *words],
            cwd=wheel,
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(wheel)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert says in done.stdout


def test_it_has_the_programs_that_the_bot_needs() -> None:
    """Of tools, of hosts by ssh and of build contexts; whoever restores by hand in it finds zstd."""
    (installed,) = (rest for rest in _all("RUN") if "apt-get" in rest)
    packages = set(re.search(r"--no-install-recommends ([a-z0-9 -]+)", installed)[1].split())  # type: ignore[index]
    assert {*PROGRAMS.values(), "libc-bin"} - ESSENTIAL <= packages
    assert packages >= {"git", "openssh-client", "zstd"}


def test_what_it_installs_is_pinned_and_can_build_the_package() -> None:
    """Every dependency by its hash, and the tool that builds is one of them, for the build may fetch nothing."""
    (locked,) = (rest for rest in _all("RUN") if "requirements.lock" in rest)
    assert "--require-hashes" in locked
    (built,) = (rest for rest in _all("RUN") if "--no-build-isolation" in rest)
    assert "--no-deps" in built
    lock = (ROOT / "requirements.lock").read_text()
    assert re.search(r"^hatchling==", lock, re.MULTILINE)
    assert re.search(r"^psycopg==", lock, re.MULTILINE)


def test_it_runs_as_nobody_else() -> None:
    """The last user is not root, and owns state and archive."""
    assert _all("USER")[-1] == "shipkeeper"
    assert json.loads(_all("ENTRYPOINT")[0]) == ["shipkeeper"]
    assert json.loads(_all("CMD")[0]) == ["serve"]
    assert "install -d -o shipkeeper -g shipkeeper -m 700 /var/lib/shipkeeper /var/backups/shipkeeper" in TEXT


def test_its_health_check_asks_what_the_bot_answers() -> None:
    """At the default address, whether the process lives: the page is there, and the program that asks can be read."""
    (check,) = _all("HEALTHCHECK")
    python, flag, program = json.loads(check.partition("CMD ")[2])
    assert (python, flag) == ("python", "-c")
    compile(program, "HEALTHCHECK", "exec")
    assert f"http://{SlackSection().listen}/healthz" in program
    paths = {route.path for route in make_web(dict, dict, None).routes}  # type: ignore[attr-defined]
    assert {"/healthz", "/readyz", "/metrics"} <= paths
