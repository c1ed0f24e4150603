"""`cp`: whole files in and out of containers, into the place that is named and no other, and back by `undo`."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from bot.errors import EngineError
from bot.model import Outcome, Status
from bot.operations.placing import Spot, put
from bot.operations.replaceplan import UNDO_FOR
from bot.operations.single import Stored, renamed
from bot.reasons import Reason
from tests.fakes import FakeEngine
from tests.support.fake_files import Tree
from tests.support.fake_run import FakeRun
from tests.support.house import House, at_work, from_slack, refuse_untrue, settings, wait_for

CONF = b"worker_processes 1;\n" * 100
NEW = b"worker_processes 4;\n" * 3000


@pytest.fixture
def engine() -> FakeEngine:
    """A container with files of its own and a volume."""
    made = FakeEngine()
    made.add_volume("data", {"in/a.txt": b"alpha", "in/b.txt": b"beta"})
    made.add_container("web", {"data": "/data"}, files={"etc/nginx/nginx.conf": CONF})
    layer = made.layer("web")
    layer.change("etc/nginx", uid=33, gid=34)
    layer.change("etc/nginx/nginx.conf", uid=101, gid=102, mode=0o640)
    layer.symlink("etc/current", "/etc/nginx")
    layer.symlink("etc/nginx/out.conf", "/etc/passwd")
    layer.file("etc/passwd", b"root\n")
    return made


@pytest.fixture
def house(engine: FakeEngine, tmp_path: Path) -> Iterator[House]:
    """The road over it."""
    with at_work(settings(tmp_path / "state"), {"local": engine}) as made:
        yield made
        refuse_untrue(made.app)


def _said(outcome: Outcome, status: Status = Status.SUCCEEDED) -> str:
    assert outcome.status is status, outcome.reply.text
    return outcome.reply.text


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """A file of the shell's."""
    path = tmp_path / "nginx.conf"
    path.write_bytes(NEW)
    path.chmod(0o600)
    return path


def _exchange(tree: Tree) -> Callable[[str, bytes], object]:
    """Another file in the place, as editors do it."""

    def exchange(path: str, data: bytes) -> None:
        tree.remove(path)
        tree.file(path, data)

    return exchange


def _changed(change: Callable[[str, bytes], object], path: str, data: bytes, _engine: object) -> None:
    change(path, data)


class TestOut:
    """Out of a container."""

    def test_a_file_comes_as_itself(self, house: House, tmp_path: Path) -> None:
        """A single file arrives byte for byte, with its SHA-256 in the facts."""
        outcome = house.say(f"cp web:/etc/nginx/nginx.conf {tmp_path}/got.conf")
        assert "read back and compared" in _said(outcome)
        assert (tmp_path / "got.conf").read_bytes() == CONF
        assert outcome.reply.facts["sha256"] == hashlib.sha256(CONF).hexdigest()

    @pytest.mark.parametrize("source", ["web:/data/in", "web:/data/in/"])
    def test_a_directory_comes_as_a_tar(self, house: House, tmp_path: Path, source: str) -> None:
        """A directory arrives as a tar of it that unpacks anywhere."""
        (tmp_path / "here").mkdir()
        _said(house.say(f"cp {source} {tmp_path}/here"))
        with tarfile.open(tmp_path / "here" / "in.tar") as tar:
            assert tar.getnames() == ["in", "in/a.txt", "in/b.txt"]

    def test_to_slack_it_is_attached(self, house: House) -> None:
        """From Slack the file goes with the answer."""
        outcome = house.say(from_slack("cp web:/etc/nginx/nginx.conf slack"))
        _said(outcome)
        (file,) = outcome.reply.attachments
        assert (file.name, file.size) == ("nginx.conf", len(CONF))
        with house.app.services.outgoing.open(outcome.run_id, file) as held:
            assert held.read() == CONF

    def test_a_link_at_the_end_is_followed(self, house: House, tmp_path: Path) -> None:
        """Reading a link gives what it leads to, and the plan says so."""
        _said(house.say(f"cp web:/etc/nginx/out.conf {tmp_path}/passwd"))
        assert (tmp_path / "passwd").read_bytes() == b"root\n"

    def test_what_is_there_stays(self, house: House, tmp_path: Path) -> None:
        """A file of the machine is only replaced with --force."""
        mine = tmp_path / "mine"
        mine.write_bytes(b"mine")
        assert "--force" in _said(house.say(f"cp web:/data/in/a.txt {mine}"), Status.REJECTED)
        assert mine.read_bytes() == b"mine"
        _said(house.say(f"cp web:/data/in/a.txt {mine} --force"))
        assert mine.read_bytes() == b"alpha"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "state"]

    def test_paths_of_the_machine_are_not_for_slack(self, house: House, tmp_path: Path) -> None:
        """Nobody in a chat can name a path of the bot's machine, either way."""
        for line in (f"cp web:/data/in/a.txt {tmp_path}/x", f"cp {tmp_path}/x web:/data/in/"):
            assert "shell there" in _said(house.say(from_slack(line)), Status.REJECTED)
        assert [path.name for path in tmp_path.iterdir()] == ["state"]

    def test_a_cut_stream_leaves_nothing(self, house: House, engine: FakeEngine, tmp_path: Path) -> None:
        """When Docker's tar has no end, no file appears, though the answer was 200."""
        engine.faults.cut_at_byte = 1024
        _said(house.say(f"cp web:/etc/nginx/nginx.conf {tmp_path}/got"), Status.FAILED)
        assert [path.name for path in tmp_path.iterdir()] == ["state"]

    def test_a_large_file_is_refused_before_it_is_read(self, engine: FakeEngine, tmp_path: Path) -> None:
        """What is over the limit is refused with both numbers, by its size, and while it streams."""
        made = settings(tmp_path / "state", toml="[limits]\ncopy_bytes = 1000\n")
        with at_work(made, {"local": engine}) as house:
            text = _said(house.say(f"cp web:/etc/nginx/nginx.conf {tmp_path}/x"), Status.REJECTED)
            assert "2000 bytes" in text
            assert "1000 bytes" in text
        assert [path.name for path in tmp_path.iterdir()] == ["state"]

    @pytest.mark.parametrize(
        "place", ["/proc/1/environ", "/dev/null", "/sys/kernel", "/", "/etc/../etc/passwd"]
    )
    def test_what_is_no_file_of_a_disk_is_refused(self, house: House, tmp_path: Path, place: str) -> None:
        """What the kernel makes up, the whole root and paths with dots are refused with a sentence."""
        _said(house.say(f"cp web:{place} {tmp_path}/x"), Status.REJECTED)

    def test_a_role_for_containers_reads_no_volume(self, engine: FakeEngine, tmp_path: Path) -> None:
        """Whoever may only use the container is denied a path that is a volume's."""
        toml = '[roles.web]\nmembers = ["U0ANN"]\nright = "operate"\ntargets = ["container:web"]\n'
        with at_work(settings(tmp_path / "state", toml=toml), {"local": engine}) as house:
            _said(house.say(from_slack("cp web:/data/in/a.txt slack")), Status.DENIED)
            _said(house.say(from_slack("cp web:/etc/nginx/nginx.conf slack")))


class TestIn:
    """Into a container."""

    def test_a_new_file_is_the_directorys(self, house: House, engine: FakeEngine, new: Path) -> None:
        """A file goes into a directory under its own name, owned as the directory is, mode 0644, and is proven."""
        text = _said(house.say(f"cp {new} web:/etc/nginx/new.conf"))
        assert "read back" in text
        node = engine.layer("web").node("etc/nginx/new.conf")
        assert (node.data, node.uid, node.gid, node.mode) == (NEW, 33, 34, 0o644)
        assert engine.layer("web").names("etc/nginx") == ["new.conf", "nginx.conf", "out.conf"]

    def test_the_owner_is_kept_on_request(self, house: House, engine: FakeEngine, new: Path) -> None:
        """With --keep-owner it has the owner and permissions of the source."""
        _said(house.say(f"cp {new} web:/data/in/ --keep-owner"))
        node = engine.tree("data").node("in/nginx.conf")
        assert (node.uid, node.gid, node.mode) == (new.stat().st_uid, new.stat().st_gid, 0o600)

    @pytest.mark.parametrize("place", ["/etc/nginx/nginx.conf", "/etc/nginx/", "/etc/nginx", "/etc/current/"])
    def test_a_file_is_replaced_and_brought_back(
        self, house: House, engine: FakeEngine, new: Path, place: str
    ) -> None:
        """What was there is backed up and replaced whole; `undo` brings it back as it was, and can be undone."""
        before = engine.layer("web").node("etc/nginx/nginx.conf")
        outcome = house.say(f"cp {new} web:{place}")
        _said(outcome)
        assert engine.layer("web").files()["etc/nginx/nginx.conf"] == NEW
        back = house.say(f"undo {outcome.run_id}")
        _said(back)
        after = engine.layer("web").node("etc/nginx/nginx.conf")
        assert (after.data, after.uid, after.gid, after.mode) == (CONF, 101, 102, 0o640)
        assert after.mtime_ns // 10**9 == before.mtime_ns // 10**9
        _said(house.say(f"undo {back.run_id}"))
        assert engine.layer("web").files()["etc/nginx/nginx.conf"] == NEW

    def test_in_a_volume_it_is_the_same(self, house: House, engine: FakeEngine, new: Path) -> None:
        """A file in what the container mounts is replaced and brought back without touching the container."""
        outcome = house.say(f"cp {new} web:/data/in/a.txt")
        _said(outcome)
        assert engine.files("data")["in/a.txt"] == NEW
        _said(house.say(f"undo {outcome.run_id}"))
        assert engine.files("data") == {"in/a.txt": b"alpha", "in/b.txt": b"beta"}

    def test_what_was_there_is_kept_for_as_long(self, house: House, new: Path) -> None:
        """Nothing prunes what a copy replaced while it can be undone."""
        run_id = house.say(f"cp {new} web:/data/in/a.txt").run_id
        archive = house.app.services.archive
        (safety,) = archive.of_run(run_id)
        hold = archive.marks(safety).hold
        assert hold is not None
        assert (hold.by, hold.until) == (f"cp {run_id}", safety.manifest.ended_at + UNDO_FOR)
        assert f"`undo {run_id}` brings it back" in hold.note

    def test_what_was_not_there_goes_again(self, house: House, engine: FakeEngine, new: Path) -> None:
        """Undoing a copy to where nothing was removes it, and undoing that brings it again."""
        outcome = house.say(f"cp {new} web:/data/in/new")
        back = house.say(f"undo {outcome.run_id}")
        assert "gone again" in _said(back)
        assert "in/new" not in engine.files("data")
        _said(house.say(f"undo {back.run_id}"))
        assert engine.files("data")["in/new"] == NEW

    def test_what_was_changed_since_is_not_undone(self, house: House, engine: FakeEngine, new: Path) -> None:
        """A file that somebody wrote to after the copy stays as they left it."""
        outcome = house.say(f"cp {new} web:/data/in/a.txt")
        engine.tree("data").rewrite("in/a.txt", b"edited")
        assert "does not hold any more" in _said(house.say(f"undo {outcome.run_id}"), Status.REJECTED)
        assert engine.files("data")["in/a.txt"] == b"edited"

    @pytest.mark.parametrize(("place", "file"), [("/etc/nginx/nginx.conf", ""), ("/data/in/a.txt", "data")])
    @pytest.mark.parametrize("verb", ["write_volume", "link_in"])
    def test_what_was_written_after_its_backup_is_not_replaced(
        self, house: House, engine: FakeEngine, new: Path, place: str, file: str, verb: str
    ) -> None:
        """The newer content is in no backup, so it stays, whether the file was written to or exchanged."""
        tree = engine.tree("data") if file else engine.layer("web")
        path = place.removeprefix("/data/" if file else "/")
        for change, data in ((tree.rewrite, b"written"), (_exchange(tree), b"exchanged")):
            engine.faults.before[verb] = [partial(_changed, change, path, data)]
            assert "was changed while" in _said(house.say(f"cp {new} web:{place}"), Status.REJECTED)
            assert tree.files()[path] == data

    def test_what_is_written_while_the_new_file_comes_is_put_back(
        self, house: House, engine: FakeEngine, new: Path
    ) -> None:
        """Whoever has the old file open still writes to it, and it stands at its place again."""
        tree = engine.tree("data")
        engine.faults.before["link_in"] = [
            lambda _engine: None,
            lambda _engine: tree.rewrite("in/a.txt", b"newer"),
        ]
        assert "was changed while" in _said(house.say(f"cp {new} web:/data/in/a.txt"), Status.REJECTED)
        assert engine.files("data") == {"in/a.txt": b"newer", "in/b.txt": b"beta"}

    def test_what_came_to_a_new_place_stays(self, house: House, engine: FakeEngine, new: Path) -> None:
        """Nothing was there when it was looked at, so there is no backup of it."""
        tree = engine.tree("data")
        engine.faults.before["write_volume"] = [lambda _engine: tree.file("in/new", b"theirs")]
        assert "Something has come to" in _said(house.say(f"cp {new} web:/data/in/new"), Status.REJECTED)
        assert engine.files("data")["in/new"] == b"theirs"

    @pytest.mark.parametrize("before", [True, False])
    def test_an_undo_loses_nothing_that_was_written_meanwhile(
        self, house: House, engine: FakeEngine, new: Path, *, before: bool
    ) -> None:
        """The same when a file is put back, and when one is taken away."""
        place = "in/a.txt" if before else "in/new"
        outcome = house.say(f"cp {new} web:/data/{place}")
        _said(outcome)
        tree = engine.tree("data")
        engine.faults.before["link_in"] = [lambda _engine: tree.rewrite(place, b"newer")]
        assert "was changed while" in _said(house.say(f"undo {outcome.run_id}"), Status.REJECTED)
        assert engine.files("data")[place] == b"newer"

    @pytest.mark.parametrize(
        ("place", "says"),
        [
            ("/etc/nginx/out.conf", "symbolic link"),
            ("/etc/current", "symbolic link"),
            ("/etc/none/x", "no directory"),
            ("/none/", "no directory"),
            ("/proc/sys/x", "kernel"),
            ("/dev/shm/x", "kernel"),
            ("/sys/x", "kernel"),
            ("/etc/nginx/../../etc/passwd", "“..”"),
        ],
    )
    def test_odd_places_are_refused(
        self, house: House, engine: FakeEngine, new: Path, place: str, says: str
    ) -> None:
        """Nothing is written through a link, out of the named place, or to where no disk is."""
        before = engine.layer("web").files()
        assert says in _said(house.say(f"cp {new} web:{place}"), Status.REJECTED)
        assert engine.layer("web").files() == before

    def test_a_link_under_the_files_name_is_not_followed(
        self, house: House, engine: FakeEngine, tmp_path: Path
    ) -> None:
        """A directory that has a link of the file's name does not lead it elsewhere."""
        (tmp_path / "out.conf").write_bytes(b"evil")
        assert "symbolic link" in _said(house.say(f"cp {tmp_path}/out.conf web:/etc/nginx/"), Status.REJECTED)
        assert engine.layer("web").files()["etc/passwd"] == b"root\n"

    def test_a_read_only_mount_is_refused(self, house: House, engine: FakeEngine, new: Path) -> None:
        """What the container may not write, nobody writes for it."""
        box = engine.present("web")
        mounts = tuple(replace(mount, read_only=True) for mount in box.container.mounts)
        box.container = replace(box.container, mounts=mounts)
        assert "read-only" in _said(house.say(f"cp {new} web:/data/in/a.txt"), Status.REJECTED)

    def test_a_setuid_file_is_left_alone(self, house: House, engine: FakeEngine, new: Path) -> None:
        """A file whose powers could not be kept while it is replaced is not replaced."""
        engine.layer("web").file("bin/su", b"elf", mode=0o4755)
        assert "setuid" in _said(house.say(f"cp {new} web:/bin/su"), Status.REJECTED)
        assert engine.layer("web").node("bin/su").mode == 0o4755

    @pytest.mark.parametrize("verb", ["write_volume", "link_in", "read_volume", "remove_in", "create_helper"])
    @pytest.mark.parametrize("place", ["/etc/nginx/nginx.conf", "/data/in/new"])
    def test_whichever_call_fails_the_place_is_true(
        self, house: House, engine: FakeEngine, new: Path, verb: str, place: str
    ) -> None:
        """At each call of Docker's that fails, the place holds what it held, or the new file if the answer says so."""
        before = (engine.layer("web").files(), engine.files("data"))

        def fail(_engine: object) -> None:
            raise EngineError("Docker does not answer. Nothing was changed.")

        for calls in range(30):
            engine.faults.before[verb] = [*([lambda _engine: None] * calls), fail]
            outcome = house.say(f"cp {new} web:{place}")
            was_met = not engine.faults.before.pop(verb)
            wait_for(lambda: not open_entries(house), saying="what was left to take back")
            now = (engine.layer("web").files(), engine.files("data"))
            if now != before:
                assert "is copied" in outcome.reply.text
                assert outcome.status in (Status.SUCCEEDED, Status.FAILED)
                _said(house.say(f"undo {outcome.run_id} --wait"))  # until what was taken back lets go
            assert (engine.layer("web").files(), engine.files("data")) == before
            if not was_met:
                return
        raise AssertionError("the call never stopped failing")


def open_entries(house: House) -> object:
    """What the journal still has to take back."""
    return house.app.dispatcher._ledger.journal.open_entries()


@pytest.mark.parametrize("way", ["as it is", "renamed"])
def test_a_copy_that_fails_closes_what_it_read(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """At once, while the error is still in somebody's hands: behind it are perhaps threads that read ahead."""
    closed: list[str] = []

    def read(name: str = "volume") -> Generator[bytes, None, None]:
        try:
            info = tarfile.TarInfo(name)
            info.size = 1 << 30
            yield info.tobuf()
            while True:
                yield bytes(1 << 20)
        finally:
            closed.append(name)

    def refuse(_holder: str, tar: Iterator[bytes], *_: object, **__: object) -> None:
        next(tar)
        raise EngineError("no space left")

    content = Stored(tar=read if way == "as it is" else renamed(read, "volume"), size=1 << 30, sha256=str)
    container = engine.container("web")
    spot = Spot(
        container="web", container_id=container.id, place="/etc/big", directory="/etc", name="big", storage=None,
        is_new=True,
    )  # fmt: skip
    monkeypatch.setattr(engine, "write_volume", refuse)
    with pytest.raises(EngineError, match="no space left") as raised:
        put(engine, FakeRun(engine), spot, content)
    assert len(closed) == 1
    assert raised.value.reason is Reason.ENGINE
