"""What a container was made with, as text that outlives it, and what of it another container can have.

Words and Docker's JSON only (the Engine API's ContainerCreate and ContainerInspect): it asks no daemon.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.errors import EngineError
from bot.language import say

_VERSION = 1

# Not the environment: its values are in the image, and need no second copy. Hostname is the container's id.
_CONFIG = (
    "User",
    "Tty",
    "OpenStdin",
    "StdinOnce",
    "Cmd",
    "Entrypoint",
    "WorkingDir",
    "Healthcheck",
    "StopSignal",
    "StopTimeout",
    "ExposedPorts",
    "Domainname",
)
# All that is kept of HostConfig, and all that is taken from a text. Not what mounts something, for mounts are decided
# anew for every clone. The engine reads names in any case, so only a list of what may stay leaves the others out.
_HOST_CONFIG = frozenset(
    {
        "Annotations", "AutoRemove", "BlkioDeviceReadBps", "BlkioDeviceReadIOps", "BlkioDeviceWriteBps",
        "BlkioDeviceWriteIOps", "BlkioWeight", "BlkioWeightDevice", "CapAdd", "CapDrop", "Cgroup",
        "CgroupParent", "CgroupnsMode", "CpuPeriod", "CpuQuota", "CpuRealtimePeriod", "CpuRealtimeRuntime",
        "CpuShares", "CpusetCpus", "CpusetMems", "DeviceCgroupRules", "DeviceRequests", "Devices", "Dns",
        "DnsOptions", "DnsSearch", "ExtraHosts", "GroupAdd", "Init", "IpcMode", "KernelMemory",
        "KernelMemoryTCP", "Links", "LogConfig", "MaskedPaths", "Memory", "MemoryReservation", "MemorySwap",
        "MemorySwappiness", "NanoCpus", "NetworkMode", "OomKillDisable", "OomScoreAdj", "PidMode",
        "PidsLimit", "PortBindings", "Privileged", "PublishAllPorts", "ReadonlyPaths", "ReadonlyRootfs",
        "RestartPolicy", "Runtime", "SecurityOpt", "ShmSize", "StorageOpt", "Sysctls", "Tmpfs", "UTSMode",
        "Ulimits", "UsernsMode",
    }
)  # fmt: skip
_MEMORY_MOUNT = ("Type", "Target", "ReadOnly", "Consistency", "TmpfsOptions")
# An empty list here is not “nothing said” but “nothing masked”.
_KEPT_EMPTY = frozenset({"MaskedPaths", "ReadonlyPaths"})
MISSHAPEN = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What JSON that is not shaped as Docker's makes whoever looks into it raise."""
_OF_ANOTHER = "container:"
_MODES = ("NetworkMode", "IpcMode", "PidMode", "UsernsMode", "Cgroup")
_OWN_NETWORKS = ("none", "host", "bridge", "default", "")
COMPOSE = "com.docker.compose."
OURS = ("shipkeeper.run", "shipkeeper.snapshot", "shipkeeper.helper")
"""Labels of ours that tell of one container or image, and not of what is wanted of it."""

Port = tuple[str, str]
"""A port of the host: protocol and number, as Docker writes them."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a host has that a clone could run into: ports that containers publish, and networks by name."""

    ports: frozenset[Port] = frozenset()
    networks: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What a clone gets: the fields of a ContainerCreate request, further networks, and what it does not get."""

    config: Mapping[str, Any]
    host: Mapping[str, Any]
    networks: tuple[str, ...]
    read_only: frozenset[str]
    left_out: tuple[str, ...]


def is_identity(label: str) -> bool:
    """Whether a label says who a container or an image is, so that no other one may bear it."""
    return label.startswith(COMPOSE) or any(label == one or label.startswith(f"{one}.") for one in OURS)


def written(raw: Mapping[str, Any]) -> str:
    """An inspected container's configuration as canonical JSON, without mounts and without its environment."""
    config = {key: raw["Config"][key] for key in _CONFIG if raw["Config"].get(key) not in (None, "")}
    labels = raw["Config"].get("Labels") or {}
    host = {key: value for key, value in raw["HostConfig"].items() if _is_said(key, value)}
    host["Mounts"] = _in_memory(raw["HostConfig"].get("Mounts"))
    made = {
        "version": _VERSION,
        "config": config,
        "labels": {key: value for key, value in labels.items() if not is_identity(key)},
        "host": host,
        "networks": _networks(raw),
        "read_only": sorted(
            mount["Destination"] for mount in raw.get("Mounts") or () if mount.get("RW") is False
        ),
    }
    return json.dumps(made, sort_keys=True, separators=(",", ":"))


def fitted(text: str, around: Surroundings) -> Fitted:
    """What of it a clone can have there; raises EngineError for a text that this version cannot read.

    The text is anybody's who can write a label: nothing comes of it that `written` could not have written.
    """
    made = read(text)
    try:
        return _fitted(made, around)
    except MISSHAPEN as error:
        raise unreadable(error) from error


def read(text: str) -> dict[str, Any]:
    """The same as `written` made of it: whatever it could not have written is not there. Raises EngineError."""
    try:
        made = json.loads(text)
        if made["version"] != _VERSION:
            raise ValueError(f"version {made['version']}")
        host = {key: value for key, value in made["host"].items() if key in _HOST_CONFIG}
        found = {
            "config": {key: made["config"][key] for key in _CONFIG if key in made["config"]},
            "labels": {key: str(one) for key, one in made["labels"].items() if not is_identity(key)},
            "host": {**host, "Mounts": _in_memory(made["host"].get("Mounts"))},
            "networks": [
                {"name": str(one["name"]), "aliases": one["aliases"], "address": one["address"]}
                for one in made["networks"]
            ],
            "read_only": [str(place) for place in made["read_only"]],
        }
    except MISSHAPEN as error:
        raise unreadable(error) from error
    return found


def unreadable(error: Exception) -> EngineError:
    """What a text that is not one of ours comes to."""
    return EngineError(
        say(
            "The configuration that was kept with the snapshot cannot be read ({reason}). Nothing was changed. "
            "Start a container from its image by hand.",
            reason=error,
        )
    )


def bound_ports(raw: Mapping[str, Any]) -> frozenset[Port]:
    """The fixed ports of the host that an inspected container publishes when it runs."""
    bindings = raw["HostConfig"].get("PortBindings") or {}
    return frozenset(
        (_protocol(port), str(binding["HostPort"]))
        for port, found in bindings.items()
        for binding in found or ()
        if _is_fixed(binding)
    )


def _fitted(made: Mapping[str, Any], around: Surroundings) -> Fitted:
    host = made["host"]
    missing = _without_others(host)
    for mode in _MODES:
        if str(host.get(mode, "")).startswith(_OF_ANOTHER):
            del host[mode]
    if "AutoRemove" in host:
        del host["AutoRemove"]
        missing.append(say("its removal as soon as it stops (--rm)"))
    if host.pop("Links", None):
        missing.append(say("its links to other containers"))
    missing += _ports(host, around.ports)
    networks, gone = _fitting_networks(host, made["networks"], around.networks)
    return Fitted(
        config={**made["config"], "Labels": made["labels"]},
        host=host,
        networks=networks,
        read_only=frozenset(made["read_only"]),
        left_out=(*missing, *gone),
    )


def _in_memory(mounts: Iterable[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
    """Those that hold no data that outlives their container, with nothing that could make another mount of them."""
    return [
        {key: one[key] for key in _MEMORY_MOUNT if key in one}
        for one in mounts or ()
        if one.get("Type") == "tmpfs"
    ]


def _is_said(key: str, value: object) -> bool:
    if key not in _HOST_CONFIG:
        return False
    return value is not None if key in _KEPT_EMPTY else bool(value)


def _networks(raw: Mapping[str, Any]) -> list[dict[str, Any]]:
    """By name; whether it had more of its own there than any newcomer gets."""
    found = (raw.get("NetworkSettings") or {}).get("Networks") or {}
    return [
        {
            "name": name,
            "aliases": any(alias not in raw["Id"] for alias in settings.get("Aliases") or ()),
            "address": any((settings.get("IPAMConfig") or {}).values()),
        }
        for name, settings in sorted(found.items())
    ]


def _without_others(host: Mapping[str, Any]) -> list[str]:
    shared = [mode for mode in _MODES if str(host.get(mode, "")).startswith(_OF_ANOTHER)]
    return [say("the {mode} of another container", mode=mode.removesuffix("Mode").lower()) for mode in shared]


def _ports(host: dict[str, Any], taken: frozenset[Port]) -> list[str]:
    """Leaves out of the bindings what is taken; names it."""
    kept, missing = {}, []
    for port, bindings in sorted((host.get("PortBindings") or {}).items()):
        free = []
        for binding in bindings or ():
            if _is_fixed(binding) and (_protocol(port), str(binding["HostPort"])) in taken:
                missing.append(
                    say(
                        "port {number}/{protocol} of the host, which is taken",
                        number=binding["HostPort"],
                        protocol=_protocol(port),
                    )
                )
            else:
                free.append(binding)
        if free or not bindings:
            kept[port] = free
    if "PortBindings" in host:
        host["PortBindings"] = kept
    return missing


def _fitting_networks(
    host: dict[str, Any], networks: list[dict[str, Any]], present: frozenset[str]
) -> tuple[tuple[str, ...], list[str]]:
    """The networks to join beside the first one, and what is missing; sets the first one in `host`."""
    missing: list[str] = []
    if "NetworkMode" not in host:  # that of another container: nobody knows what would take its place
        host["NetworkMode"] = "none"
        return (), missing
    mode = host["NetworkMode"]
    if mode not in _OWN_NETWORKS and mode not in present:
        missing.append(say("the network {network}, which is not here", network=mode))
        host["NetworkMode"] = "none"
    if mode == "host":
        missing.append(say("ports of its own, for it shares the host's network with the original"))
    further = [one["name"] for one in networks if one["name"] not in (mode, "none", "host", "bridge")]
    missing += [
        say("the network {network}, which is not here", network=name)
        for name in further
        if name not in present
    ]
    for one in networks:
        missing += (
            [say("its other names on network {network}", network=one["name"])] if one["aliases"] else []
        )
        missing += (
            [say("its fixed address on network {network}", network=one["name"])] if one["address"] else []
        )
    joined = tuple(name for name in further if name in present)
    return joined if host["NetworkMode"] != "none" else (), missing


def _protocol(port: str) -> str:
    return port.partition("/")[2] or "tcp"


def _is_fixed(binding: Mapping[str, Any]) -> bool:
    return str(binding.get("HostPort") or "0") != "0"
