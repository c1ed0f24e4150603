"""The fake engine's verbs for programs: walks, exchanges, executions and checks. It must not know who uses them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from bot.engine import (
    HELPER_LABEL,
    NOTHING_AROUND,
    RUN_LABEL,
    Check,
    Checked,
    Container,
    Exchange,
    Execution,
    Storage,
    Surroundings,
)
from bot.entry import ROOT, Item
from bot.errors import Conflict, EngineError, NotFound
from bot.reasons import Reason
from tests.support.fake_files import Node, Tree
from tests.support.fake_host import Box, Executed, FakeHost
from tests.support.fake_streams import FakeExecution

_VOLUME = "/volume"
_OUTPUT_CHARACTERS = 4000


class ToolVerbs(FakeHost):
    """The part of the engine that runs programs."""

    def create_tool(self, name: str, storage: Storage, *, run_id: str, read_only: bool) -> None:
        """Create and start a tool, or NotFound, or Conflict."""
        self._enter("create_tool")
        with self.lock:
            self.refuse_missing(storage)
            labels = {HELPER_LABEL: "look" if read_only else "rename", RUN_LABEL: run_id}
            box = self.new_box(name, {_VOLUME: storage}, labels=labels, state="running", read_only=read_only)
            box.is_tool = True

    @contextmanager
    def inventory(
        self, tool: str, path: str = _VOLUME, *, attributes: bool = False
    ) -> Iterator[Iterator[Item]]:
        """Walk, each thing as it is when the walk reaches it."""
        self._enter("inventory")
        with self.lock:
            box = self._tool(tool)
            tree = Tree(self.disk, box.layer, box.held)
            if tree.find(path) is None:
                raise NotFound(f"There is no “{path}” in the tool “{tool}”.")
        yield self._items(tree, path.strip("/"), attributes)

    def free_bytes(self, tool: str) -> int:
        """What tests said is free."""
        self._enter("free_bytes")
        self._tool(tool)
        return self.free

    def exchange(self, tool: str, exchange: Exchange) -> None:
        """Rename twice, or NotFound without `new`, or Conflict with an `aside`."""
        self._enter("exchange")
        with self.lock:
            tree = self._changeable(tool, exchange.place, exchange.new, exchange.aside)
            if tree.find(exchange.new) is None:
                raise NotFound(f"There is no “{exchange.new}”; nothing was renamed.")
            if tree.find(exchange.aside) is not None:
                raise Conflict(f"There is “{exchange.aside}” already; nothing was renamed.")
            if tree.find(exchange.place) is not None:
                _rename(tree, exchange.place, exchange.aside)
            else:
                tree.file(_mark(exchange), b"")
            if self.faults.exchange_stops_half_way:
                raise EngineError("The tool was killed between the two renamings.")
            _rename(tree, exchange.new, exchange.place)

    def exchange_back(self, tool: str, exchange: Exchange) -> None:
        """Undo both renamings, or the one that was done, or none; EngineError if the place was made anew half way.

        As with the real tool, an empty file beside `aside` says that nothing was at the place before.
        """
        self._enter("exchange_back")
        with self.lock:
            tree = self._changeable(tool, exchange.place, exchange.new, exchange.aside)
            is_taken = tree.find(exchange.place) is not None
            is_new_beside = tree.find(exchange.new) is not None
            if tree.find(exchange.aside) is not None:
                if is_taken and is_new_beside:
                    raise EngineError(f"“{exchange.place}” was made anew half way; nothing was changed.")
                if is_taken:
                    _rename(tree, exchange.place, exchange.new)
                _rename(tree, exchange.aside, exchange.place)
            elif tree.find(_mark(exchange)) is not None:
                if is_taken and not is_new_beside:
                    _rename(tree, exchange.place, exchange.new)
                tree.remove(_mark(exchange))

    def remove_tree(self, tool: str, path: str) -> None:
        """Remove what is there, if anything is."""
        self._enter("remove_tree")
        with self.lock:
            tree = self._changeable(tool, path)
            if tree.find(path) is not None:
                tree.remove(path)

    @contextmanager
    def execute(
        self,
        container: Container,
        words: Sequence[str],
        *,
        limit: timedelta,
        user: str = "",
        around: Surroundings = NOTHING_AROUND,
    ) -> Iterator[Execution]:
        """Run what `programs` says, or Conflict."""
        self._enter("execute")
        with self.lock:
            name = self.living(container, "running").container.name
        run = Executed(
            container=name,
            words=tuple(words),
            user=user,
            limit=limit,
            environment=dict(around.environment),
        )
        self.executed.append(run)
        program = self.programs.get(name, _not_found)
        out, errors, code = program(words)
        around.on_errors(errors.encode())
        execution = FakeExecution(out, errors, code, limit, self.faults)
        try:
            yield execution
        finally:
            if not execution.is_over:
                self.killed.append(run)

    def run_check(self, name: str, check: Check, volume: str, *, run_id: str) -> Checked:
        """Run what `checks` says, or NotFound, or EngineError when it does not end."""
        self._enter("run_check")
        with self.lock:
            self.refuse_missing(volume)
            if check.image not in self.checks:
                raise NotFound(f"There is no image “{check.image}” on host “{self.host}”; nothing was run.")
            labels = {HELPER_LABEL: "check", RUN_LABEL: run_id}
            box = self.new_box(
                name, {_VOLUME: volume}, labels=labels, image=check.image, state="running", read_only=True
            )
        code, output = self.checks[check.image](self.files(volume))
        with self.lock:
            self.turn(box, "exited")
        if code is None:
            raise EngineError(
                f"The check still ran after {check.limit.total_seconds():g} seconds and was stopped.",
                reason=Reason.STALLED,
            )
        return Checked(exit_code=code, output=output[-_OUTPUT_CHARACTERS:])

    # --- inside ---

    def _tool(self, name: str) -> Box:
        box = self.present(name)
        if not box.is_tool:
            raise EngineError(f"The container “{name}” is no tool.")
        if box.container.state != "running":
            raise EngineError(f"The tool “{name}” does not run any more.")
        return box

    def _changeable(self, tool: str, *paths: str) -> Tree:
        box = self._tool(tool)
        for path in paths:
            if any(part in ("", ".", "..") for part in path.split("/")):
                raise EngineError(f"“{path}” leaves what the tool mounts; nothing was changed.")
        if box.read_only:
            raise EngineError(f"The tool “{tool}” may only read; nothing was changed.")
        return Tree(self.disk, box.held[_VOLUME])

    def _items(self, tree: Tree, top: str, attributes: bool) -> Iterator[Item]:
        walk = tree.walk(top)
        limit = self.faults.inventory_ends_after
        count = 0
        while True:
            with self.lock:
                found = next(walk, None)
                item = None if found is None else _item(found[0], top, found[1], attributes)
            if self.faults.down or (limit is not None and count >= limit):
                raise EngineError("The walk broke off before its end; nothing of it counts.")
            if item is None:
                return
            count += 1
            yield item


def _item(path: str, top: str, node: Node, attributes: bool) -> Item:
    below = sum(child.kind == "directory" for child in node.children.values())
    return Item(
        path=path.removeprefix(top).removeprefix("/") or ROOT,
        kind=node.kind,
        size=node.size,
        mode=node.mode,
        uid=node.uid,
        gid=node.gid,
        mtime_ns=node.mtime_ns,
        ctime_ns=node.ctime_ns,
        inode=node.inode,
        links=2 + below if node.kind == "directory" else node.links,
        used_bytes=node.blocks_bytes,
        link=node.target if node.kind == "symlink" else None,
        device=node.device,
        attributes=_shown_attributes(node) if attributes else {},
    )


def _shown_attributes(node: Node) -> dict[str, str]:
    """In hex; those named `trusted.` are only seen by whoever has every right over the machine (xattr(7))."""
    return {name: value.hex() for name, value in node.attributes.items() if not name.startswith("trusted.")}


def _mark(exchange: Exchange) -> str:
    return f"{exchange.aside}.nothing-was-there"


def _not_found(words: Sequence[str]) -> tuple[bytes, str, int | None]:
    return b"", f"{words[0]}: not found\n", 127


def _rename(tree: Tree, old: str, new: str) -> None:
    try:
        tree.rename(old, new)
    except FileNotFoundError as error:
        raise EngineError(f"“{old}” could not be renamed to “{new}”: there is no such directory.") from error
