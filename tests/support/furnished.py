"""A house that has all that the documents speak of: volumes, containers, images, registries, builds and runbooks.

It must not know which command lines are carried out in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bot.operations.registries import Known, Registries, Rules
from tests.fakes import FakeEngine
from tests.support.fake_registry import FakeRegistry
from tests.support.house import House, at_work, refuse_untrue, settings

COMPANY = "registry.example.com"
HOSTS = ("local", "alpha", "prod-1")
"""Hosts with everything, but only on `local` a database runs; `beta` is there, too, and empty."""

DATABASE = {"base/1/table": b"rows" * 1000, "PG_VERSION": b"16\n"}
"""What the volume `pgdata` holds."""

TOML = """
[hosts.local]
address = "unix:///run/docker.sock"
default = true
[hosts.alpha]
address = "ssh://shipkeeper@alpha.example.com"
[hosts.beta]
address = "ssh://shipkeeper@beta.example.com"
[hosts.prod-1]
address = "ssh://shipkeeper@prod-1.example.com"

[roles.keepers]
members = ["U0ANN", "U0ADA", "cli:tester"]
right = "admin"
[roles.leads]
members = ["U0ADA", "U0EVE"]
right = "view"
[approvals.production]
commands = ["backup"]
targets = ["volume:guarded"]
approvers = "leads"
break_glass = "leads"
owners = "C0OWNERS"

[retention]
daily = 7
weekly = 5
[drills.postgresql]
volumes = ["pg*"]
image = "postgres:16"
command = ["sh", "-c", "test -s /volume/PG_VERSION"]

[builds.web]
context = "{context}"
image = "team/web:nightly"
registry = "company"
[registries.company]
host = "registry.example.com"

[runbooks.vacuum]
summary = "Tidy a table"
command = ["vacuumdb", "--table={{table}}"]
containers = ["db*"]
[runbooks.vacuum.parameters.table]
pattern = "[a-z_]+"
[runbooks.reload]
command = ["nginx", "-s", "reload"]
containers = ["web*"]
"""
_DUMP = (
    b"--\n-- PostgreSQL database cluster dump\n--\n\nSELECT 1;\n"
    b"--\n-- PostgreSQL database cluster dump complete\n--\n\n"
)


def _nginx(_: Sequence[str]) -> tuple[bytes, str, int]:
    return b"", "", 0


def _database(words: Sequence[str]) -> tuple[bytes, str, int]:
    """Its container's programs: one that tidies, and otherwise the one that dumps."""
    return (b"done\n", "", 0) if words[0] == "vacuumdb" else (_DUMP, "", 0)


def engine(host: str) -> FakeEngine:
    """A host with what the documents speak of."""
    made = FakeEngine(host)
    made.add_volume("pgdata", DATABASE)
    for name in ("pgdata-old", "guarded", "files", "uploads", "scratch"):
        made.add_volume(name, {"file": name.encode()})
    if host == "local":
        made.add_container("db", ["pgdata"], image="postgres:16")
    web = {
        "etc/app.conf": b"listen 80;\n",
        "srv/uploads/photo": b"jpeg",
        "etc/nginx/nginx.conf": b"worker;\n",
    }
    for name in ("web", "web-1"):
        made.add_container(name, {"uploads": "/var/uploads"}, image="web:1.4", files=web)
        made.programs[name] = _nginx
    made.programs["db"] = _database
    made.checks["postgres:16"] = lambda files: (0 if files.get("PG_VERSION") else 1, "")
    for image in ("web:1.4", "web:latest", "postgres:16"):
        made.add_image(image)
    return made


@contextmanager
def furnished(root: Path) -> Iterator[House]:
    """At work with all of it; afterwards nothing is left half done."""
    context = root / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\nCOPY app /app\n")
    (context / "app").write_bytes(b"code")
    company, hub = FakeRegistry("company", COMPANY), FakeRegistry("hub", "docker.io")
    engines = {host: engine(host) for host in HOSTS} | {"beta": FakeEngine("beta")}
    for one in engines.values():
        one.registries = {COMPANY: company, "docker.io": hub}
    rules = Rules(namespace="team", repositories=("team/*",))
    known = [Known(registry=company, rules=rules), Known(registry=hub, rules=Rules())]
    made = settings(root / "state", toml=TOML.format(context=context))
    with at_work(made, engines, registries=Registries(known)) as house:
        yield house
        refuse_untrue(house.app)
