"""What command lines may call a source, and what it turns out to be: a volume, a bind mount, a container's layer."""

from __future__ import annotations

import pytest

from bot.engine import HostPath
from bot.errors import Conflict, EngineError, NotFound, UsageError
from bot.kinds import SourceName
from bot.operations.sources import normal, resolve, users_of
from tests.fakes import FakeEngine


@pytest.fixture
def engine() -> FakeEngine:
    """Container `web` mounts a volume, a bind with a volume in it, and a tmpfs; `db` mounts the volume, too."""
    made = FakeEngine()
    made.add_volume("pgdata", {"base/1": b"rows"})
    made.add_volume("cache")
    made.add_container(
        "web",
        {"pgdata": "/var/lib/data", "cache": "/srv/cache"},
        binds={"/host/site/": "/srv"},
        tmpfs=["/run/secrets"],
        files={"/etc/nginx/nginx.conf": b"x"},
    )
    made.add_container("db", ["pgdata"])
    return made


def test_a_volume_is_itself(engine: FakeEngine) -> None:
    """By its name: its target, its directory in the archive and its root are as ever."""
    found = resolve(engine, "pgdata")
    assert (found.name, found.target, found.path, found.root) == (
        "pgdata",
        "volume:pgdata",
        "/volume",
        "volume",
    )
    assert (found.storage, found.is_volume, found.place, found.words) == ("pgdata", True, "", "volume pgdata")
    assert [user.name for user in users_of(engine, found)] == ["db", "web"]


@pytest.mark.parametrize("path", ["/var/lib/data", "/var/lib/data/", "//var/./lib//data/."])
def test_where_a_volume_is_mounted_is_that_volume(engine: FakeEngine, path: str) -> None:
    """The same name, so the same lock and the same directory, however the path is written."""
    assert resolve(engine, f"web:{path}") == resolve(engine, "pgdata")


def test_a_path_below_a_volume_is_read_in_it(engine: FakeEngine) -> None:
    """It is filed under its own name, and holds the volume."""
    found = resolve(engine, "web:/var/lib/data/base/")
    assert (found.name, found.target) == ("web:/var/lib/data/base", "volume:pgdata")
    assert (found.storage, found.path, found.root) == ("pgdata", "/volume/base", "base")
    assert (found.is_volume, found.place) == (False, "/var/lib/data/base")
    assert [user.name for user in users_of(engine, found)] == ["db", "web"]


def test_a_bind_mount_is_read_on_the_host(engine: FakeEngine) -> None:
    """It holds the host's path, written in one way, and says what is mounted below it."""
    for text, path, inner in (
        ("web:/srv", "/volume", ("/srv/cache",)),
        ("web:/srv/static", "/volume/static", ()),
    ):
        found = resolve(engine, text)
        assert (found.storage, found.target) == (HostPath("/host/site/"), "path:/host/site")
        assert (found.path, found.inner, found.volume) == (path, inner, None)
    assert [user.name for user in users_of(engine, resolve(engine, "web:/srv"))] == ["web"]


def test_the_innermost_mount_counts(engine: FakeEngine) -> None:
    """A volume in a bind mount is that volume, and not what lies under it on the host."""
    assert resolve(engine, "web:/srv/cache").name == "cache"
    assert resolve(engine, "web:/srv/cache/x").storage == "cache"
    assert resolve(engine, "web:/srv/cached").storage == HostPath("/host/site/")


def test_any_other_path_is_read_in_the_container(engine: FakeEngine) -> None:
    """Its only user is the container, which is what a run holds; what lies in memory below it is named."""
    found = resolve(engine, "web:/etc/nginx")
    assert (found.storage, found.target, found.path, found.root) == (
        None,
        "container:web",
        "/etc/nginx",
        "nginx",
    )
    assert [user.name for user in users_of(engine, found)] == ["web"]
    assert resolve(engine, "web:/run").inner == ("/run/secrets",)


def test_volumes_below_a_path_are_not_read_along(engine: FakeEngine) -> None:
    """Docker would follow them, and a role for containers would read volumes: the sentence names them."""
    with pytest.raises(Conflict, match=r"mounted below that path of web: /var/lib/data"):
        resolve(engine, "web:/var")


@pytest.mark.parametrize("path", ["/proc", "/sys/kernel", "/dev"])
def test_what_the_kernel_makes_up_is_refused(engine: FakeEngine, path: str) -> None:
    """Reading it twice would find the same nothing twice."""
    with pytest.raises(Conflict, match="the kernel makes up"):
        resolve(engine, f"web:{path}")


def test_a_container_is_called_by_its_name(engine: FakeEngine) -> None:
    """An id means the same source."""
    identifier = engine.container("web").id
    assert resolve(engine, f"{identifier}:/etc").name == "web:/etc"


@pytest.mark.parametrize("path", ["/run/secrets", "/run/secrets/key"])
def test_what_only_processes_can_see_is_refused(engine: FakeEngine, path: str) -> None:
    """A tmpfs is a part of no disk; the sentence says what there is instead."""
    with pytest.raises(Conflict, match=r"is a tmpfs.*pgdata at /var/lib/data"):
        resolve(engine, f"web:{path}")


@pytest.mark.parametrize(
    ("link", "target", "path", "name", "held"),
    [
        ("/alias", "/", "/alias/var/lib/data", "pgdata", "volume:pgdata"),
        ("/alias", "/", "/alias/var/lib/data/base", "web:/var/lib/data/base", "volume:pgdata"),
        ("/alias", "/", "/alias/alias/etc/nginx", "web:/etc/nginx", "container:web"),
        ("/var/srv", "../srv", "/var/srv/x", "web:/srv/x", "path:/host/site"),
        ("/var/lib/d", "data", "/var/lib/d/base", "web:/var/lib/data/base", "volume:pgdata"),
        ("/alias", "/var/lib/data", "/alias", "web:/alias", "container:web"),
        ("/alias", "/none", "/alias/x", "web:/none/x", "container:web"),
        ("/run/secrets/k", "/var/lib", "/etc/nginx", "web:/etc/nginx", "container:web"),
    ],
)
def test_links_on_the_way_are_followed(
    engine: FakeEngine, link: str, target: str, path: str, name: str, held: str
) -> None:
    """What is read has one name and one target, whichever way leads there; a link at the end is itself meant."""
    engine.layer("web").symlink(link, target)
    found = resolve(engine, f"web:{path}")
    assert (found.name, found.target) == (name, held)
    assert found.through == ("" if found.place == path else f"web:{path}")


def test_links_in_a_volume_lead_through_the_container(engine: FakeEngine) -> None:
    """A link in what is mounted leads where the container's processes would come to, not where a helper would."""
    engine.tree("cache").symlink("out", "/var/lib")
    assert resolve(engine, "web:/srv/cache/out/data").name == "pgdata"


def test_a_mount_is_where_links_lead_docker(engine: FakeEngine) -> None:
    """Whether the link's path is named or the place that it leads to, the volume is found."""
    engine.add_container("job", {"cache": "/var/run/cache"})
    engine.layer("job").symlink("/var/run", "../run")
    for text in ("job:/var/run/cache", "job:/run/cache"):
        assert resolve(engine, text).name == "cache"


def test_what_lies_hidden_below_memory_leads_nowhere(engine: FakeEngine) -> None:
    """The layer's link below a tmpfs is not what the container's processes see."""
    engine.layer("web").symlink("/run/secrets/link", "/etc")
    with pytest.raises(Conflict, match="is a tmpfs"):
        resolve(engine, "web:/run/secrets/link/nginx")


def test_links_that_lead_to_no_end_are_refused(engine: FakeEngine) -> None:
    """A circle, more than forty links, and a place that no line can name; nothing is guessed."""
    layer = engine.layer("web")
    layer.symlink("/circle", "circle")
    layer.symlink("/alias", "/")
    layer.symlink("/odd", "/a\nb")
    with pytest.raises(EngineError, match="circle"):
        resolve(engine, "web:/circle/x")
    assert resolve(engine, f"web:{'/alias' * 40}/etc").name == "web:/etc"
    with pytest.raises(Conflict, match="More than 40"):
        resolve(engine, f"web:{'/alias' * 41}/etc")
    with pytest.raises(Conflict, match="line break"):
        resolve(engine, "web:/odd/x")


@pytest.mark.parametrize("path", ["", "etc", "/..", "/etc/../root", "/a\0b"])
def test_paths_that_are_not_plain_are_refused(path: str) -> None:
    """They begin with / and hold no `..`."""
    with pytest.raises(UsageError, match="cannot be a path"):
        normal(path)


def test_a_whole_container_is_no_source(engine: FakeEngine) -> None:
    """Its files are not what makes it."""
    with pytest.raises(UsageError, match="whole container"):
        resolve(engine, "web://.")


def test_who_names_a_container_learns_what_it_mounts(engine: FakeEngine) -> None:
    """A container's name in the place of a volume's is answered with what can be named."""
    with pytest.raises(NotFound, match=r"a container of that name.*pgdata at /var/lib/data"):
        resolve(engine, "web")
    with pytest.raises(NotFound) as nearly:
        resolve(engine, "pgdat")
    assert "“pgdata”" in nearly.value.told_to(lambda target: target == "volume:pgdata")
    assert "“pgdata”" not in nearly.value.told_to(lambda _target: False)
    with pytest.raises(NotFound, match="no container"):
        resolve(engine, "nobody:/etc")


@pytest.mark.parametrize(
    ("word", "is_good"),
    [("pgdata", True), ("web:/etc/nginx", True), ("web:/a b:c", True), ("web:etc", False), ("x", False),
     ("a/b", False), (":/etc", False), ("web:/a\nb", False), ("web:", False)],
)  # fmt: skip
def test_what_a_command_line_may_call_a_source(word: str, *, is_good: bool) -> None:
    """A volume's name, or a container's and an absolute path."""
    if is_good:
        assert SourceName.parse(word).is_path == (":" in word)
    else:
        with pytest.raises(UsageError):
            SourceName.parse(word)
