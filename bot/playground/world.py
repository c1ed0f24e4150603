"""What is true in the workspace: people, channels, messages, deliveries and the log of API calls.

Safe to read from any thread; it knows nothing of tokens, limits or transports.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from bot.playground.records import (
    BOT_NAME,
    BOT_USER_ID,
    ApiCall,
    Channel,
    Delivery,
    Draft,
    Message,
    RateViolation,
    User,
    UserGroup,
    Version,
)

Clock = Callable[[], float]


class World:
    """The workspace's state. Every change raises `version` and wakes whoever waits for one."""

    def __init__(self, clock: Clock = time.time) -> None:
        self.clock = clock
        self._changed = threading.Condition(threading.RLock())
        self._version = 0
        self._order = 0
        self._last_microseconds = 0
        self._users: dict[str, User] = {}
        self._channels: dict[str, Channel] = {}
        self._groups: dict[str, UserGroup] = {}
        self._messages: list[Message] = []
        self._deliveries: list[Delivery] = []
        self._calls: list[ApiCall] = []
        self._violations: list[RateViolation] = []
        self._people_of_the_start()

    def _people_of_the_start(self) -> None:
        for user in (
            User(id=BOT_USER_ID, name=BOT_NAME, real_name="shipkeeper", is_bot=True),
            User(id="U0ANN", name="ann", real_name="Ann", is_admin=True),
            User(id="U0BOB", name="bob", real_name="Bob"),
        ):
            self.put_user(user)
        everybody = frozenset(self._users)
        people = everybody - {BOT_USER_ID}
        self._channels["C0OPS"] = Channel(id="C0OPS", name="ops", members=everybody)
        self._channels["C0RANDOM"] = Channel(id="C0RANDOM", name="random", members=people)

    # -- change and waiting ---------------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """A number that grows with every change."""
        with self._changed:
            return self._version

    def touch(self) -> None:
        """Tell the waiting that something changed."""
        with self._changed:
            self._version += 1
            self._changed.notify_all()

    def wait_for_change(self, seen: int, timeout: float) -> int:
        """Wait until `version` differs from `seen` or `timeout` seconds passed; returns the version."""
        with self._changed:
            self._changed.wait_for(lambda: self._version != seen, timeout)
            return self._version

    def next_order(self) -> int:
        """The place of the next thing in the order in which things happened."""
        with self._changed:
            self._order += 1
            return self._order

    def next_ts(self) -> str:
        """A message timestamp: seconds and microseconds, unique and growing even if the clock stands still."""
        with self._changed:
            now = int(self.clock() * 1_000_000)
            self._last_microseconds = max(now, self._last_microseconds + 1)
            return f"{self._last_microseconds // 1_000_000}.{self._last_microseconds % 1_000_000:06d}"

    # -- people and places ----------------------------------------------------------------------------------

    @property
    def users(self) -> dict[str, User]:
        """A copy of all users by id."""
        with self._changed:
            return dict(self._users)

    @property
    def channels(self) -> dict[str, Channel]:
        """A copy of all channels by id."""
        with self._changed:
            return dict(self._channels)

    @property
    def groups(self) -> dict[str, UserGroup]:
        """A copy of all user groups by id."""
        with self._changed:
            return dict(self._groups)

    def put_group(self, group: UserGroup) -> UserGroup:
        """Add a user group or replace the one with the same id."""
        with self._changed:
            self._groups[group.id] = group
            self.touch()
        return group

    def put_user(self, user: User) -> User:
        """Add a user or replace the one with the same id; people get their direct message with the bot."""
        with self._changed:
            self._users[user.id] = user
            if not user.is_bot:
                self.direct_channel(user.id)
            self.touch()
        return user

    def put_channel(self, channel: Channel) -> Channel:
        """Add a channel or replace the one with the same id."""
        with self._changed:
            self._channels[channel.id] = channel
            self.touch()
        return channel

    def direct_channel(self, user_id: str) -> Channel:
        """The direct message between the bot and a known user, made when it is not there yet."""
        with self._changed:
            channel_id = "D" + user_id[1:]
            if channel_id in self._channels:
                return self._channels[channel_id]
            members = frozenset({BOT_USER_ID, user_id})
            name = f"dm-{self._users[user_id].name}"
            return self.put_channel(Channel(id=channel_id, name=name, members=members, is_private=True))

    # -- messages -------------------------------------------------------------------------------------------

    def messages(self, channel: str | None = None, *, include_deleted: bool = False) -> tuple[Message, ...]:
        """Messages in the order they were posted, ephemeral ones included."""
        with self._changed:
            return tuple(
                message
                for message in self._messages
                if channel in (None, message.channel) and (include_deleted or not message.deleted)
            )

    def message(self, channel: str, ts: str) -> Message | None:
        """The undeleted message at this place, or None."""
        return next((found for found in self.messages(channel) if found.ts == ts), None)

    def post(self, draft: Draft) -> Message:
        """Store a new message and return it."""
        with self._changed:
            version = Version(text=draft.text, blocks=draft.blocks, metadata=draft.metadata, at=self.clock())
            message = Message(
                channel=draft.channel,
                ts=self.next_ts(),
                user=draft.user,
                order=self.next_order(),
                versions=(version,),
                thread_ts=draft.thread_ts,
                ephemeral_for=draft.ephemeral_for,
                files=draft.files,
            )
            self._messages.append(message)
            self.touch()
            return message

    def edit(self, message: Message, version: Version) -> None:
        """Make `version` what the message says from now on."""
        with self._changed:
            message.versions = (*message.versions, replace(version, at=self.clock()))
            self.touch()

    def delete(self, message: Message) -> None:
        """Take a message out of sight; the transcript still knows it."""
        with self._changed:
            message.deleted = True
            self.touch()

    def react(self, message: Message, reactions: Iterable[str]) -> None:
        """Set the bot's reactions on a message."""
        with self._changed:
            message.reactions = tuple(reactions)
            self.touch()

    # -- what was sent and called ---------------------------------------------------------------------------

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """Everything people did, oldest first."""
        with self._changed:
            return tuple(self._deliveries)

    def add_delivery(self, delivery: Delivery) -> Delivery:
        """Remember what a person did."""
        with self._changed:
            self._deliveries.append(delivery)
            self.touch()
        return delivery

    def delivery_of(self, envelope_id: str) -> Delivery | None:
        """The delivery that travelled in this envelope, or None."""
        with self._changed:
            return next((one for one in self._deliveries if envelope_id in one.envelope_ids), None)

    def calls(self, method: str | None = None) -> tuple[ApiCall, ...]:
        """The log of answered API calls, oldest first, of one method or of all."""
        with self._changed:
            return tuple(call for call in self._calls if method in (None, call.method))

    def log_call(self, call: ApiCall) -> None:
        """Add to the log of API calls."""
        with self._changed:
            self._calls.append(call)
            self.touch()

    @property
    def rate_violations(self) -> tuple[RateViolation, ...]:
        """Calls that came before an announced Retry-After was over."""
        with self._changed:
            return tuple(self._violations)

    def log_violation(self, violation: RateViolation) -> None:
        """Remember a call that came too early."""
        with self._changed:
            self._violations.append(violation)
            self.touch()
