"""Tools, programs and checks on a real daemon: what the contract cannot ask of a fake."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.engine import Check, Container, Engine, Exchange, HostPath
from bot.engine.real import DockerEngine
from bot.entry import ROOT, Item
from bot.errors import Conflict, EngineError, NotFound, NotStarted
from bot.reasons import Reason
from tests.engine.conftest import new_volume
from tests.support.busybox import DockerBench
from tests.support.disks import small_disk
from tests.support.house import wait_for
from tests.support.tars import contents, read_all

pytestmark = pytest.mark.engine

MINUTE = timedelta(minutes=1)
SWAP = Exchange(place="live", new="stage/new", aside="stage/old")

if os.geteuid() != 0:
    pytest.skip("what the kernel says of a volume's files only root may ask", allow_module_level=True)


@pytest.fixture
def volume(docker_engine: DockerEngine) -> Iterator[str]:
    """A volume with some files."""
    with new_volume(docker_engine, {"a": b"alpha", "deep/b": b"beta"}) as name:
        yield name


@pytest.fixture
def place(docker_engine: DockerEngine, volume: str) -> Path:
    """Where it lies on this machine."""
    found = Path(docker_engine.volume(volume).mountpoint)
    if not found.is_dir():
        pytest.skip("the engine's volumes are not on this machine")
    return found


@pytest.fixture
def tool(docker_engine: DockerEngine, volume: str) -> Iterator[str]:
    """A tool that only reads it."""
    docker_engine.create_tool(f"{volume}-look", volume, run_id="r", read_only=True)
    yield f"{volume}-look"
    docker_engine.remove_helper(f"{volume}-look")


@pytest.fixture
def renamer(docker_engine: DockerEngine, volume: str, place: Path) -> Iterator[str]:
    """A tool that may rename; something new is staged there."""
    for name in ("live", "stage/new"):
        (place / name).mkdir(parents=True)
        (place / name / "file").write_text(name)
    docker_engine.create_tool(f"{volume}-rename", volume, run_id="r", read_only=False)
    yield f"{volume}-rename"
    docker_engine.remove_helper(f"{volume}-rename")


@pytest.fixture
def bench(docker_engine: DockerEngine) -> Iterator[DockerBench]:
    """The daemon without the product."""
    made = DockerBench(docker_engine.info().address)
    yield made
    made.close()


@pytest.fixture
def worker(docker_engine: DockerEngine, bench: DockerBench, volume: str) -> Container:
    """A running container."""
    bench.run(f"{volume}-worker")
    return docker_engine.container(f"{volume}-worker")


def walk(engine: Engine, tool: str, path: str = "/volume", *, attributes: bool = False) -> dict[str, Item]:
    """Every item by its path."""
    with engine.inventory(tool, path, attributes=attributes) as items:
        return {item.path: item for item in items}


def processes(bench: DockerBench, container: str) -> list[str]:
    """The command lines that run in it."""
    return [row[-1] for row in bench.api.top(container, ps_args="-eo pid,args")["Processes"]]


def left_running(bench: DockerBench, container: str) -> list[str]:
    """The same without what was killed and is only not buried yet, and without the shell that killed it."""
    rows = bench.api.top(container, ps_args="-eo pid,args")["Processes"]
    return [row[-1] for row in rows if "kill -s KILL" not in row[-1] and not _is_dying(Path("/proc", row[0]))]


def _is_dying(process: Path) -> bool:
    """Whether the kernel has SIGKILL for it or lets it end (proc(5): `SigPnd`, `ShdPnd`, `flags`)."""
    try:
        flags = int((process / "stat").read_text().rpartition(")")[2].split()[6])
        status = (process / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    pending = [int(line.split()[1], 16) for line in status.splitlines() if line[:7] in ("SigPnd:", "ShdPnd:")]
    return bool(flags & 0x4) or any(mask & 0x100 for mask in pending)


# ---- what a tool is ------------------------------------------------------------------------------


def test_a_tool_can_do_no_more_than_it_is_for(bench: DockerBench, tool: str, renamer: str) -> None:
    """No network, nothing to write to but the mount, no rights but those to read or to rename, none to gain."""
    rights = {tool: ["DAC_READ_SEARCH"], renamer: ["DAC_READ_SEARCH", "DAC_OVERRIDE", "FOWNER"]}
    for name, wanted in rights.items():
        found = bench.api.inspect_container(name)
        host = found["HostConfig"]
        assert (host["NetworkMode"], host["ReadonlyRootfs"], host["Privileged"]) == ("none", True, False)
        assert host["CapDrop"] == ["ALL"]
        assert [right.removeprefix("CAP_") for right in host["CapAdd"]] == wanted
        assert "no-new-privileges" in host["SecurityOpt"]
        assert host["PidsLimit"] > 0
        (mount,) = found["Mounts"]
        assert (mount["Destination"], mount["RW"]) == ("/volume", name == renamer)


def test_a_tool_looks_at_a_single_file_of_the_host(
    docker_engine: DockerEngine, bench: DockerBench, volume: str
) -> None:
    """A file that is bound alone is the root of the walk and of the tar, under the name it is mounted at."""
    file = f"{bench.directory({'app.conf': b'port=1'})}/app.conf"
    tool, helper = f"{volume}-file", f"{volume}-reader"
    docker_engine.create_tool(tool, HostPath(file), run_id="r", read_only=True)
    docker_engine.create_helper(helper, HostPath(file), run_id="r", read_only=True, at="app.conf")
    try:
        (item,) = walk(docker_engine, tool, attributes=True).values()
        assert (item.path, item.kind, item.size) == (ROOT, "file", 6)
        assert contents(read_all(docker_engine, helper, path="/app.conf")) == {"app.conf": b"port=1"}
    finally:
        docker_engine.remove_helper(tool)
        docker_engine.remove_helper(helper)


def test_free_bytes_are_those_of_the_file_system(docker_engine: DockerEngine, tool: str, place: Path) -> None:
    """What the tool says is what statvfs says, give or take what others write meanwhile."""
    found = os.statvfs(place)
    assert abs(docker_engine.free_bytes(tool) - found.f_bavail * found.f_frsize) < 1 << 30


# ---- walks ---------------------------------------------------------------------------------------


def _kind(mode: int) -> str:
    tests: dict[str, Callable[[int], bool]] = {
        "file": stat.S_ISREG, "directory": stat.S_ISDIR, "symlink": stat.S_ISLNK, "fifo": stat.S_ISFIFO,
        "char": stat.S_ISCHR, "block": stat.S_ISBLK, "socket": stat.S_ISSOCK,
    }  # fmt: skip
    (kind,) = [name for name, test in tests.items() if test(mode)]
    return kind


def _as_the_kernel_says(path: bytes, name: str) -> Item:
    found = os.lstat(path)
    return Item(
        path=name,
        kind=_kind(found.st_mode),
        size=found.st_size,
        mode=stat.S_IMODE(found.st_mode),
        uid=found.st_uid,
        gid=found.st_gid,
        mtime_ns=found.st_mtime_ns,
        ctime_ns=found.st_ctime_ns,
        inode=found.st_ino,
        links=found.st_nlink,
        used_bytes=found.st_blocks * 512,
        link=os.fsdecode(os.readlink(path)) if stat.S_ISLNK(found.st_mode) else None,
        device=(os.major(found.st_rdev), os.minor(found.st_rdev)) if found.st_rdev else None,
        attributes={
            attribute: os.getxattr(path, attribute, follow_symlinks=False).hex()
            for attribute in sorted(os.listxattr(path, follow_symlinks=False))
            if attribute != "security.selinux"
        },
    )


def _odd_tree(root: bytes) -> None:
    """Names of every byte, times of all ages, holes, devices, attributes."""
    for byte in set(range(1, 256)) - {ord("/")}:
        with open(root + b"/x" + bytes((byte,)) + b"y", "wb"):
            pass
    for number, nanoseconds in enumerate(
        (-1, -1_750_000_000, -(10**18) - 123_456_789, 0, 500_000_000, 2**60)
    ):
        with open(root + b"/time%d" % number, "wb"):
            pass
        os.utime(root + b"/time%d" % number, ns=(0, nanoseconds))
    with open(root + b"/hole", "wb") as file:
        file.truncate(1 << 30)
    os.mknod(root + b"/block", stat.S_IFBLK | 0o600, os.makedev(259, 70_000))
    os.mkfifo(root + b"/deep/fifo")
    os.symlink(b"\xff\n", root + b"/link")
    os.link(root + b"/a", root + b"/deep/same")
    os.setxattr(root + b"/x\ny", "user.odd = \n", b"\x00\n")
    os.setxattr(root + b"/x\\y", "user.empty", b"")
    os.setxattr(root + b"/block", "trusted.hidden", b"1")
    os.setxattr(root + b"/block", "security.any", b"1")


def test_a_walk_says_what_the_kernel_says(docker_engine: DockerEngine, tool: str, place: Path) -> None:
    """Every field of every item, byte for byte and to the nanosecond, but attributes that only `trusted` ones see."""
    root = os.fsencode(place)
    _odd_tree(root)
    expected = {ROOT: _as_the_kernel_says(root, ROOT)}
    for directory, directories, files in os.walk(root):
        for name in directories + files:
            path = os.path.join(directory, name)
            shown = os.fsdecode(os.path.relpath(path, root))
            expected[shown] = _as_the_kernel_says(path, shown)
    expected["block"] = replace(expected["block"], attributes={"security.any": b"1".hex()})
    assert walk(docker_engine, tool, attributes=True) == expected
    plain = {path: replace(item, attributes={}) for path, item in expected.items()}
    assert walk(docker_engine, tool) == plain


def test_attributes_find_their_files_among_many(docker_engine: DockerEngine, tool: str, place: Path) -> None:
    """In a walk that asks for attributes many times, each file gets its own, and nothing is lost between."""
    for number in range(9000):
        file = place / "deep" / f"a-name-that-is-somewhat-longer-{number}"
        file.touch()
        if number % 3 == 0:
            os.setxattr(file, "user.number", str(number).encode())
    found = walk(docker_engine, tool, "/volume/deep", attributes=True)
    assert len(found) == 9002
    numbers = {
        path: bytes.fromhex(item.attributes["user.number"]) for path, item in found.items() if item.attributes
    }
    assert len(numbers) == 3000
    assert all(path.endswith(f"-{number.decode()}") for path, number in numbers.items())


def test_what_vanishes_under_a_walk_is_just_not_there(
    docker_engine: DockerEngine, tool: str, place: Path
) -> None:
    """While files and directories come and go, every walk is whole and has all that stayed."""
    over, stayed = threading.Event(), {f"stay{number}" for number in range(500)}
    for name in stayed:
        (place / name).touch()

    def churn() -> None:
        while not over.is_set():
            for number in range(50):
                (place / f"gone{number}" / "below").mkdir(parents=True)
                (place / f"gone{number}" / "file").touch()
            for number in range(50):
                (place / f"gone{number}" / "file").unlink()
                (place / f"gone{number}" / "below").rmdir()
                (place / f"gone{number}").rmdir()

    churning = threading.Thread(target=churn)
    churning.start()
    try:
        for number in range(12):
            assert stayed <= set(walk(docker_engine, tool, attributes=number % 2 == 0))
    finally:
        over.set()
        churning.join()


def test_a_walk_goes_through_mount_points(docker_engine: DockerEngine, volume: str, place: Path) -> None:
    """Like the archive API, the walk does not stop at another file system; inodes are not mixed up there."""
    with small_disk(place / "disk", 1) as disk:
        (disk / "inside").write_text("1")
        docker_engine.create_tool(f"{volume}-m", volume, run_id="r", read_only=True)
        try:
            found = walk(docker_engine, f"{volume}-m")
        finally:
            docker_engine.remove_helper(f"{volume}-m")
    assert found["disk/inside"].size == 1
    assert found["disk/inside"].inode >> 64
    assert not found["a"].inode >> 64


def _fill_with_long_names(directory: Path, count: int) -> None:
    """So that more comes of a walk than what lies on the way holds."""
    first = directory / "first"
    first.touch()
    for number in range(count):
        os.link(first, directory / f"a-name-that-fills-what-lies-between-{number:0150}")


def test_a_walk_whose_tool_dies_does_not_count(docker_engine: DockerEngine, tool: str, place: Path) -> None:
    """A tool that is removed in mid-walk makes an error, not a shorter list."""
    _fill_with_long_names(place / "deep", 40_000)
    with docker_engine.inventory(tool) as items:
        next(items)
        docker_engine.remove_helper(tool)
        with pytest.raises((EngineError, NotFound)):
            list(items)


def test_a_walk_that_is_left_runs_on_nowhere(
    docker_engine: DockerEngine, bench: DockerBench, tool: str, place: Path
) -> None:
    """Whoever leaves early leaves no program behind in the tool."""
    _fill_with_long_names(place / "deep", 10_000)
    with docker_engine.inventory(tool, attributes=True) as items:
        next(items)
    assert left_running(bench, tool) == ["/bin/sleep infinity"]


# ---- exchanges -----------------------------------------------------------------------------------


def _standing(place: Path) -> dict[str, str]:
    return {
        name: (place / name / "file").read_text()
        for name in ("live", "stage/new", "stage/old")
        if (place / name).exists()
    }


BEFORE = {"live": "live", "stage/new": "stage/new"}
DONE = {"live": "stage/new", "stage/old": "live"}


@pytest.mark.parametrize("renamed", [0, 1, 2])
def test_an_exchange_is_taken_back_from_every_point(
    docker_engine: DockerEngine, renamer: str, place: Path, renamed: int
) -> None:
    """Whether none, one or both renamings were done when it was killed: afterwards all is as before, twice."""
    steps = [("live", "stage/old"), ("stage/new", "live")]
    for old, new in steps[:renamed]:
        (place / old).rename(place / new)
    for _ in range(2):
        docker_engine.exchange_back(renamer, SWAP)
        assert _standing(place) == BEFORE
    docker_engine.exchange(renamer, SWAP)
    assert _standing(place) == DONE


def test_taking_back_may_itself_be_killed(docker_engine: DockerEngine, renamer: str, place: Path) -> None:
    """After the first of its two renamings it is taken up where it stopped."""
    docker_engine.exchange(renamer, SWAP)
    (place / "live").rename(place / "stage/new")
    docker_engine.exchange_back(renamer, SWAP)
    assert _standing(place) == BEFORE


def test_an_empty_place_is_told_from_one_that_was_never_exchanged(
    docker_engine: DockerEngine, renamer: str, place: Path
) -> None:
    """Without `new` and `aside`, what stands at the place is moved away only if nothing was there before."""
    into = replace(SWAP, place="fresh")
    docker_engine.exchange(renamer, into)
    for _ in range(2):
        docker_engine.exchange_back(renamer, into)
        assert not (place / "fresh").exists()
        assert sorted(path.name for path in (place / "stage").iterdir()) == ["new"]
    (place / "stage/new/file").unlink()
    (place / "stage/new").rmdir()
    docker_engine.exchange_back(renamer, SWAP)
    assert _standing(place) == {"live": "live"}


def test_what_came_to_an_emptied_place_is_not_lost(
    docker_engine: DockerEngine, renamer: str, place: Path
) -> None:
    """If somebody made the place anew between the renamings, nothing is moved, and the error names both."""
    (place / "live").rename(place / "stage/old")
    (place / "live").mkdir()
    (place / "live/file").write_text("somebody's")
    with pytest.raises(EngineError, match=r"made anew.*“stage/old”.*“stage/new”"):
        docker_engine.exchange_back(renamer, SWAP)
    assert _standing(place) == {"live": "somebody's", "stage/old": "live", "stage/new": "stage/new"}


def test_nothing_is_copied_between_file_systems(
    docker_engine: DockerEngine, volume: str, place: Path
) -> None:
    """What cannot be renamed is refused before anything is; removing does not go there either."""
    (place / "live").mkdir()
    with small_disk(place / "stage", 1) as disk:
        (disk / "new").mkdir()
        docker_engine.create_tool(f"{volume}-m", volume, run_id="r", read_only=False)
        try:
            with pytest.raises(EngineError, match="one file system"):
                docker_engine.exchange(f"{volume}-m", SWAP)
            assert sorted(path.name for path in disk.iterdir()) == ["new"]
            with pytest.raises(EngineError, match="could not remove"):
                docker_engine.remove_tree(f"{volume}-m", "stage")
            assert (disk / "new").is_dir()
        finally:
            docker_engine.remove_helper(f"{volume}-m")


def test_renaming_heeds_nobodys_permissions(docker_engine: DockerEngine, renamer: str, place: Path) -> None:
    """Sticky directories of others and files without any permission are exchanged and removed all the same."""
    for name in ("", "live", "stage", "stage/new"):
        os.chown(place / name, 1234, 1234)
        (place / name).chmod(0o1000)
    docker_engine.exchange(renamer, SWAP)
    assert _standing(place) == DONE
    docker_engine.remove_tree(renamer, "stage")
    assert _standing(place) == {"live": "stage/new"}


def test_a_link_is_removed_and_not_followed(docker_engine: DockerEngine, renamer: str, place: Path) -> None:
    """What a removed tree points to stays."""
    (place / "stage/link").symlink_to("../live")
    docker_engine.remove_tree(renamer, "stage")
    assert _standing(place) == {"live": "live"}


# ---- programs of the company's containers -------------------------------------------------------


def test_output_of_any_size_comes_byte_for_byte(docker_engine: DockerEngine, worker: Container) -> None:
    """Megabytes of every byte come whole, beside errors of which the end is kept."""
    script = (
        "dd if=/bin/busybox bs=65536 2>/dev/null; dd if=/bin/busybox bs=65536 2>/dev/null; "
        "n=0; while [ $n -lt 2000 ]; do echo error $n >&2; n=$((n+1)); done; exit 3"
    )
    with docker_engine.execute(worker, ("/bin/sh", "-c", script), limit=MINUTE) as program:
        got = b"".join(iter(lambda: program.read(1000), b""))
        assert program.finish() == program.finish() == 3
        assert program.errors.endswith("error 1999\n")
        assert len(program.errors) <= 4000
    assert got == Path("/usr/bin/busybox").resolve().read_bytes() * 2


def test_words_reach_the_program_unharmed(docker_engine: DockerEngine, worker: Container) -> None:
    """No shell of ours takes words apart."""
    words = ("/bin/busybox", "printf", "<%s>", "a b", "$(x) `y` ;&|'\"\\", "", "new\nline")
    with docker_engine.execute(worker, words, limit=MINUTE) as program:
        assert program.read(1000) == b"<a b><$(x) `y` ;&|'\"\\><><new\nline>"
        assert program.finish() == 0


@pytest.mark.parametrize("user", ["", "1234", "1234:4321"])
def test_a_program_and_what_it_started_is_killed(
    docker_engine: DockerEngine, bench: DockerBench, worker: Container, user: str
) -> None:
    """Left by an error, or over its limit, nothing of it runs on; the container's own program does."""
    words = ("/bin/sh", "-c", "trap '' TERM INT; echo begun; sleep 500 & sleep 501")
    with docker_engine.execute(worker, words, limit=timedelta(seconds=2), user=user) as program:
        assert program.read(100) == b"begun\n"
        wait_for(lambda: len(processes(bench, worker.name)) == 3)
        with pytest.raises(EngineError) as caught:
            program.read(100)
    assert caught.value.reason == Reason.STALLED
    wait_for(lambda: processes(bench, worker.name) == ["/bin/busybox sleep 600"])


def test_what_cannot_start_says_so(docker_engine: DockerEngine, worker: Container) -> None:
    """A user that a container does not know, and a container without a shell: in words, and nobody need try again."""
    with (
        pytest.raises(NotStarted, match=r"could not start a program.*no-such-user"),
        docker_engine.execute(worker, ("true",), limit=MINUTE, user="no-such-user"),
    ):
        pass
    with docker_engine.execute(worker, ("/bin/busybox", "rm", "/bin/sh"), limit=MINUTE) as program:
        assert program.finish() == 0
    with (
        pytest.raises(NotStarted, match="started through its /bin/sh"),
        docker_engine.execute(worker, ("true",), limit=MINUTE),
    ):
        pass


def test_a_program_whose_container_dies_did_not_succeed(
    docker_engine: DockerEngine, bench: DockerBench, worker: Container
) -> None:
    """The stream ends as if all were well; the exit code is not 0, or nobody knows it."""
    words = ("/bin/sh", "-c", "echo begun; sleep 500")
    with docker_engine.execute(worker, words, limit=MINUTE) as program:
        assert program.read(100) == b"begun\n"
        bench.api.kill(worker.id)
        try:
            code = program.finish()
        except EngineError:
            code = 255
        assert code != 0


def test_a_silent_program_has_all_its_time(worker: Container) -> None:
    """Silence longer than a stream may be silent does not end a program that is within its own limit."""
    engine = DockerEngine("short", base_url=os.environ.get("DOCKER_HOST"), stall=timedelta(seconds=1))
    with engine.execute(worker, ("/bin/busybox", "sleep", "2"), limit=MINUTE) as program:
        assert program.read(100) == b""
        assert program.finish() == 0
    engine.close()


# ---- checks --------------------------------------------------------------------------------------


def _check(bench: DockerBench, script: str, seconds: float = 30) -> Check:
    return replace(bench.check(""), words=("/bin/sh", "-c", script), limit=timedelta(seconds=seconds))


def test_a_check_cannot_write_nor_speak_to_anybody(
    docker_engine: DockerEngine, bench: DockerBench, volume: str
) -> None:
    """The volume is read-only, and there is no network but the loop."""
    script = "echo x > /volume/new && echo wrote; cat /volume/a; cat /proc/net/dev"
    try:
        checked = docker_engine.run_check(f"{volume}-c", _check(bench, script), volume, run_id="r")
    finally:
        docker_engine.remove_helper(f"{volume}-c")
    assert "alpha" in checked.output
    assert "wrote" not in checked.output
    assert "eth0" not in checked.output
    assert checked.exit_code == 0


def test_the_end_of_a_checks_output_is_kept_and_cleaned(
    docker_engine: DockerEngine, bench: DockerBench, volume: str
) -> None:
    """However much it writes, the last characters come, lines as lines, control signs as blanks."""
    script = (
        "dd if=/dev/zero bs=1048576 count=3 2>/dev/null; echo wrong >&2; n=0; "
        "while [ $n -lt 900 ]; do echo line $n; n=$((n+1)); done; printf 'red \\033[31m\\007\\nlast\\n'; exit 9"
    )
    try:
        checked = docker_engine.run_check(f"{volume}-c", _check(bench, script), volume, run_id="r")
    finally:
        docker_engine.remove_helper(f"{volume}-c")
    assert checked.exit_code == 9
    assert checked.output.endswith("line 899\nred  [31m\nlast")
    assert len(checked.output) <= 4000


def test_a_check_over_its_limit_is_stopped_at_once(
    docker_engine: DockerEngine, bench: DockerBench, volume: str, worker: Container
) -> None:
    """It is stalled, it does not run on, and what its image had made without a name goes with it."""
    image = bench.api.commit(worker.id, repository=volume, changes=["VOLUME /anonymous"])["Id"]
    check = replace(_check(bench, "sleep 500", 1), image=image)
    try:
        with pytest.raises(EngineError, match="took longer than 1 seconds") as caught:
            docker_engine.run_check(f"{volume}-c", check, volume, run_id="r")
        assert caught.value.reason == Reason.STALLED
        found = docker_engine.container(f"{volume}-c")
        assert found.state == "exited"
        (anonymous,) = {mount.source for mount in found.mounts} - {volume}
        assert docker_engine.volume(anonymous)
    finally:
        docker_engine.remove_helper(f"{volume}-c")
        bench.api.remove_image(image)
    names = {one.name for one in docker_engine.volumes()}
    assert volume in names
    assert anonymous not in names


def test_a_check_can_be_ended_from_another_thread(
    docker_engine: DockerEngine, bench: DockerBench, volume: str
) -> None:
    """Removing the helper that it is ends the wait for it."""
    ended: list[BaseException | object] = []

    def run() -> None:
        try:
            check = _check(bench, "sleep 500", 60)
            ended.append(docker_engine.run_check(f"{volume}-c", check, volume, run_id="r"))
        except (EngineError, NotFound, Conflict) as error:
            ended.append(error)

    running = threading.Thread(target=run)
    running.start()
    wait_for(lambda: f"{volume}-c" in [one.name for one in docker_engine.helpers() if one.state == "running"])
    docker_engine.remove_helper(f"{volume}-c")
    running.join(10)
    assert isinstance(ended[0], (EngineError, NotFound, Conflict))
