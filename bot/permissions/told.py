"""What people are told when something is denied, and of their standing. Must not decide anything."""

from __future__ import annotations

from bot.language import later, say
from bot.model import Right
from bot.people import BOT, DELETED, GUEST, STRANGER, Person
from bot.permissions.rules import Explanation, Request, Role

_BARRED = {
    DELETED: later("The Slack account {id} is deactivated."),
    BOT: later("{id} is an app, not a person."),
    GUEST: later("{id} is a guest in this Slack workspace."),
    STRANGER: later("{id} belongs to another Slack workspace."),
}
_ONLY_HELP = later("Only `help` and `whoami` are left then, whatever roles name it.")
_UNVOUCHED = later(
    "Slack does not say now whether the account {id} is still active, which must be known of whoever a schedule "
    "belongs to. It works again as soon as Slack answers."
)
_UNLEARNED = later("Slack does not say now who is in {groups}, so nobody counts as a member.")

_NO_MATCH = later("none of the roles below matches all of it.")
_NO_ROLE = later("there is no role to grant it.")
_NOBODY = later("No role has it.")
_ASK = later("Whoever keeps shipkeeper's settings can change that.")


def by_which(role: Role, member: str) -> str:
    """The role's name, and by which group somebody has it, if not by a name of their own."""
    return (
        role.name
        if member in role.members
        else say("{role} (by group {group})", role=role.name, group=member)
    )


def barred(person: Person) -> str:
    """Why somebody may not act, and what is left to them."""
    return " ".join((standing(person), say(_ONLY_HELP)))


def standing(person: Person) -> str:
    """Why somebody may not act."""
    return say(_BARRED[person.why], id=person.id)


def unvouched(person: Person) -> str:
    """Why nothing is done in the name of somebody whose standing is not known."""
    return say(_UNVOUCHED, id=person.id)


def unlearned(explained: Explanation) -> str:
    """That groups could not be looked up; empty when all could."""
    return say(_UNLEARNED, groups=", ".join(explained.unlearned)) if explained.unlearned else ""


def reason(request: Request, explained: Explanation) -> str:
    """Why it is allowed or not, as the end of a sentence and perhaps more of them: for who asks why."""
    if request.command.right is Right.NONE:
        return say("everybody may.")
    if not explained.needs_role:
        return say("whoever has a shell here is an administrator.")
    if explained.is_barred:
        return barred(explained.person)
    if not explained.is_vouched_for:
        return unvouched(explained.person)
    if explained.granted_by:
        return say("granted by {roles}.", roles=", ".join(role.name for role in explained.granted_by))
    have = ", ".join(explained.have_command)
    others = say("Roles that have `{command}`: {roles}.", command=request.command.name, roles=have)
    none = say(_NO_MATCH if explained.roles else _NO_ROLE)
    said = (none, unlearned(explained), others if have else say(_NOBODY), say(_ASK))
    return " ".join(part for part in said if part)


def denial(request: Request, explained: Explanation) -> str:
    """What is denied, that nothing was changed, and who may or why not."""
    name = request.command.name
    host = (say("host {host}", host=request.host),) if request.host else ()
    about = ", ".join((*request.targets, *host))
    parts = (
        say("You may not use `{command}` on {targets} from here.", command=name, targets=about)
        if about
        else say("You may not use `{command}` from here.", command=name),
        say("Nothing was changed."),
        *_because(name, explained),
    )
    return " ".join(part for part in parts if part)


def _because(command: str, explained: Explanation) -> tuple[str, ...]:
    if explained.is_barred:
        return (barred(explained.person),)
    if not explained.is_vouched_for:
        return (unvouched(explained.person),)
    may = ", ".join(explained.have_command)
    return (
        unlearned(explained),
        say(
            "Roles that have `{command}`: {roles}; whoever keeps shipkeeper's settings can give it to you.",
            command=command,
            roles=may,
        )
        if may
        else say("No role has it; whoever keeps shipkeeper's settings can give it to you."),
    )
