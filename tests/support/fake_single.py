"""The fake engine's verbs for single files: what a path is, and names that change in one step."""

from __future__ import annotations

from bot.engine.copy_contract import Found, Link
from bot.errors import EngineError, NotFound
from tests.support.fake_host import Box, FakeHost

_KINDS = ("file", "directory", "symlink")


class SingleFileVerbs(FakeHost):
    """What is done with single files in any container."""

    def look_at(self, holder: str, path: str) -> Found | None:
        """What is there, links on the way followed."""
        self._enter("look_at")
        with self.lock:
            found = self.view(self.present(holder)).find(path)
        if found is None:
            return None
        kind = found.kind if found.kind in _KINDS else "other"
        return Found(kind=kind, size=found.size if kind == "file" else 0)

    def link_in(self, holder: str, directory: str, link: Link) -> None:
        """A further name of an inode, which gets the owner that the entry says."""
        self._enter("link_in")
        with self.lock:
            box = self.present(holder)
            tree, place, existing = self.view(box), f"{directory}/{link.name}", f"{directory}/{link.existing}"
            if tree.find(existing) is None:
                raise NotFound(f"There is no {link.existing} in {directory} any more; nothing was changed.")
            self._refuse(box, place)
            if tree.find(place) is tree.find(existing):
                return
            tree.hard_link(place, existing)
            tree.change(place, uid=link.uid, gid=link.gid)

    def remove_in(self, holder: str, directory: str, name: str) -> None:
        """Without an error when it is not there."""
        self._enter("remove_in")
        with self.lock:
            box = self.present(holder)
            place = f"{directory}/{name}"
            if self.view(box).find(place) is not None:
                self._refuse(box, place)
                self.view(box).remove(place)

    def _refuse(self, box: Box, place: str) -> None:
        found = self.view(box).find(place)
        if box.read_only or (found is not None and found.kind == "directory"):
            raise EngineError(f"The engine could not replace “{place}”; it was left as it is.")
