"""What is kept of a container's configuration, and what of it a clone can have where it is made."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.engine.configuration import Surroundings, bound_ports, fitted, is_identity, written
from bot.engine.powers import powers
from bot.errors import EngineError

ID = "ab" * 32


def _raw(**host: Any) -> dict[str, Any]:
    """A container as Docker tells of it."""
    return {
        "Id": ID,
        "Config": {
            "User": "5",
            "Env": ["PASSWORD=hunter2"],
            "Cmd": ["serve"],
            "Entrypoint": [],
            "Hostname": ID[:12],
            "Labels": {"team": "shop", "com.docker.compose.project": "shop", "shipkeeper.run": "7f3a2c1b"},
        },
        "HostConfig": {"NetworkMode": "none", "Memory": 0, "CapAdd": None, **host},
        "NetworkSettings": {"Networks": {}},
        "Mounts": [{"Destination": "/ro", "RW": False}, {"Destination": "/rw", "RW": True}],
    }


def test_only_what_makes_another_container_alike_is_kept() -> None:
    """No secret, no identity, no mount and nothing that says nothing; the same container gives the same text."""
    text = written(_raw(Memory=5, Binds=["/a:/b"], MaskedPaths=[]))
    assert "hunter2" not in text
    made = json.loads(text)
    assert made["config"] == {"User": "5", "Cmd": ["serve"], "Entrypoint": []}
    assert made["labels"] == {"team": "shop"}
    assert made["host"] == {"NetworkMode": "none", "Memory": 5, "MaskedPaths": [], "Mounts": []}
    assert text == written(_raw(MaskedPaths=[], Binds=["/a:/b"], Memory=5))


def test_memory_file_systems_are_configuration() -> None:
    """A tmpfs holds no data that outlives its container, so a clone gets one of its own."""
    mounts = [{"Type": "tmpfs", "Target": "/t"}, {"Type": "volume", "Target": "/v", "Source": "v"}]
    made = fitted(written(_raw(Mounts=mounts, Tmpfs={"/u": ""})), Surroundings())
    assert (made.host["Mounts"], made.host["Tmpfs"]) == (mounts[:1], {"/u": ""})
    assert made.read_only == {"/ro"}


def test_ports_that_are_taken_are_left_out_and_named() -> None:
    """A port that somebody publishes is not asked for again; others are, and those that Docker chooses."""
    bindings = {
        "80/tcp": [{"HostIp": "", "HostPort": "8080"}, {"HostIp": "", "HostPort": "8081"}],
        "53/udp": [{"HostIp": "", "HostPort": "8080"}],
        "90/tcp": [{"HostIp": "", "HostPort": "0"}],
    }
    raw = _raw(PortBindings=bindings, NetworkMode="bridge")
    taken = frozenset({("tcp", "8080")})
    made = fitted(written(raw), Surroundings(ports=taken))
    assert made.left_out == ("port 8080/tcp of the host, which is taken",)
    assert made.host["PortBindings"] == {**bindings, "80/tcp": bindings["80/tcp"][1:]}
    assert bound_ports(raw) == {("tcp", "8080"), ("tcp", "8081"), ("udp", "8080")}


def test_networks_are_joined_where_they_exist() -> None:
    """A network that is gone, and what only the original can have on one, is left out and named."""
    raw = _raw(NetworkMode="front")
    raw["NetworkSettings"]["Networks"] = {
        "front": {"Aliases": ["web", ID[:12]], "IPAMConfig": {"IPv4Address": "10.0.0.5"}},
        "back": {"Aliases": [ID[:12]], "IPAMConfig": None},
        "gone": {},
    }
    made = fitted(written(raw), Surroundings(networks=frozenset({"front", "back"})))
    assert (made.host["NetworkMode"], made.networks) == ("front", ("back",))
    assert made.left_out == (
        "the network gone, which is not here",
        "its other names on network front",
        "its fixed address on network front",
    )
    alone = fitted(written(raw), Surroundings())
    assert (alone.host["NetworkMode"], alone.networks) == ("none", ())
    assert "the network front, which is not here" in alone.left_out


def test_what_belongs_to_another_container_is_left_out() -> None:
    """The network or processes of another container, links and --rm are not taken over, and that is said."""
    raw = _raw(NetworkMode="container:abc", PidMode="container:abc", Links=["/a:/b"], AutoRemove=True)
    made = fitted(written(raw), Surroundings())
    assert made.host == {"NetworkMode": "none", "Mounts": []}
    assert len(made.left_out) == 4
    assert (
        "shares the host's network" in fitted(written(_raw(NetworkMode="host")), Surroundings()).left_out[0]
    )


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version":2}'])
def test_what_cannot_be_read_is_refused(text: str) -> None:
    """A text of another version, or none of ours, starts nothing."""
    with pytest.raises(EngineError, match="cannot be read"):
        fitted(text, Surroundings())


def test_identities_are_known() -> None:
    """What says who a container is, is told from what says how it is to be treated."""
    ours = ("com.docker.compose.service", "shipkeeper.run", "shipkeeper.snapshot.by")
    theirs = ("shipkeeper.quiesce", "shipkeeper.backup.pre", "team")
    assert [one for one in (*ours, *theirs) if is_identity(one)] == list(ours)


# ---- texts that somebody else wrote ------------------------------------------------------------------------


def _forged(**changes: Any) -> str:
    """A text that anybody may write into the labels of an image."""
    return json.dumps({**json.loads(written(_raw())), **changes})


def test_what_was_never_written_is_never_read() -> None:
    """A text that mounts the host, in whichever case the engine would read it, mounts nothing."""
    sneaky = {"Type": "tmpfs", "Target": "/t", "type": "bind", "source": "/"}
    host = {
        **{
            key: ["/:/host"]
            for key in ("Binds", "binds", "BINDS", "VolumesFrom", "VolumeDriver", "privileged")
        },
        "Mounts": [{"Type": "bind", "Source": "/", "Target": "/host"}, sneaky],
        "mounts": [{"Type": "bind", "Source": "/", "Target": "/host"}],
        "Memory": 5,
    }
    config = {"User": "0", "Volumes": {"/v": {}}, "HostConfig": host, "Image": "other", "Env": ["A=b"]}
    labels = {"team": "shop", "shipkeeper.helper": "x", "com.docker.compose.project": "shop"}
    made = fitted(_forged(host=host, config=config, labels=labels), Surroundings())
    assert made.host == {
        "Memory": 5,
        "NetworkMode": "none",
        "Mounts": [{"Type": "tmpfs", "Target": "/t"}],
    }
    assert made.config == {"User": "0", "Labels": {"team": "shop"}}


@pytest.mark.parametrize(
    "changes",
    [
        {"host": []},
        {"host": {"Mounts": ["/"]}},
        {"host": {"NetworkMode": ["host"]}},
        {"host": {"PortBindings": {"80": ["1"]}}},
        {"labels": ["a"]},
        {"networks": [1]},
        {"config": 5, "read_only": 5},
    ],
)
def test_what_is_shaped_otherwise_is_refused(changes: dict[str, Any]) -> None:
    """Whatever a label says, it comes to a sentence."""
    with pytest.raises(EngineError, match="cannot be read"):
        fitted(_forged(**changes), Surroundings())


def test_power_over_the_host_is_named() -> None:
    """An ordinary container has none; each thing that reaches beyond the container is a phrase."""
    hidden = ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/scsi", "/sys/firmware", "/more"]
    ordinary = _raw(CapDrop=["ALL"], SecurityOpt=["no-new-privileges"], MaskedPaths=hidden, PidMode="")
    assert powers(written(ordinary)) == ()
    assert powers(written(_raw(Privileged=True))) == ("all rights on its host (--privileged)",)
    named = powers(
        written(
            _raw(
                CapAdd=["SYS_ADMIN", "NET_ADMIN"],
                Devices=[{"PathOnHost": "/dev/sda"}],
                NetworkMode="host",
                UTSMode="host",
                SecurityOpt=["seccomp=" + "x" * 99, "no-new-privileges"],
                ReadonlyPaths=[],
                Annotations={"a": "b"},
            )
        )
    )
    assert named[0] == "the capabilities SYS_ADMIN, NET_ADMIN"
    assert named[1:4] == ("devices of its host", "its host's network namespace", "its host's uts namespace")
    assert (len(named), len(named[4]) < 100, "seccomp=x" in named[4]) == (7, True, True)
    with pytest.raises(EngineError, match="cannot be read"):
        powers(_forged(host={"CapAdd": 5}))
