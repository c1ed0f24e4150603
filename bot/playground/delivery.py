"""Delivering what people do to the bot: by socket or HTTP, with the 3-second clock and redelivery.

Knows envelopes and acks; what a payload says stands in `payloads`, what an ack causes in `answers`.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from bot.playground.answers import Answers
from bot.playground.http_delivery import ACK_SECONDS, HttpAnswer, HttpCourier, Signature
from bot.playground.records import Delivery, Json
from bot.playground.sockets import SocketHub
from bot.playground.world import World

TIMEOUT: Final = "operation_timeout"
FAILED: Final = "dispatch_failed"
ACCEPTS_PAYLOAD: Final = ("slash", "view_submission", "block_suggestion")


class Deliverer:
    """Sends deliveries and listens for their acks."""

    def __init__(self, world: World, hub: SocketHub, courier: HttpCourier, answers: Answers) -> None:
        self._world = world
        self._hub = hub
        self._courier = courier
        self._answers = answers
        self._sent_on: dict[str, int] = {}
        self._homeless: list[Delivery] = []
        self._lock = threading.RLock()
        self.request_url: str | None = None
        self.call_later: Callable[[float, Callable[[], object]], None] = lambda _seconds, _function: None
        hub.listener = self

    # -- sending --------------------------------------------------------------------------------------------

    def send(self, delivery: Delivery) -> Delivery:
        """Store a delivery and send it for the first time, the way the bot is connected."""
        self._world.add_delivery(delivery)
        self._attempt(delivery, None)
        return delivery

    def redeliver(self, delivery: Delivery, *, fresh: bool, via: str | int | None) -> Delivery:
        """Send it again: the same envelope, or with `fresh` a new one whose retry counter is 0.

        `via` chooses "http", "socket" or a connection number; None means the way the bot is connected.
        """
        if fresh:
            delivery.envelope_ids.append(_new_envelope_id())
        self._attempt(delivery, via, retry=0 if fresh else max(1, delivery.attempts))
        return delivery

    def _attempt(self, delivery: Delivery, via: str | int | None, retry: int = 0) -> None:
        if delivery.sent_at is None:
            delivery.sent_at = time.monotonic()
        delivery.attempts += 1
        by_http = via == "http" or (via is None and self.request_url is not None)
        if by_http:
            post = threading.Thread(
                target=self._by_http, args=(delivery, retry), name="playground-post", daemon=True
            )
            post.start()
        else:
            self._by_socket(delivery, via if isinstance(via, int) else None, retry)
        self.call_later(ACK_SECONDS, lambda: self._too_late(delivery))
        self._world.touch()

    def _by_socket(self, delivery: Delivery, number: int | None, retry: int) -> None:
        if not delivery.envelope_ids:
            delivery.envelope_ids.append(delivery.id)
        envelope_id = delivery.envelope_ids[-1]
        with self._lock:
            used = self._hub.send(_envelope(delivery, envelope_id, retry), number)
            if used is not None:
                self._sent_on[envelope_id] = used
        if used is None:
            self._fail(delivery, FAILED)

    def _by_http(self, delivery: Delivery, retry: int) -> None:
        self.deliver_http(delivery, Signature.GOOD, retry)

    def deliver_http(self, delivery: Delivery, signature: Signature, retry: int = 0) -> HttpAnswer:
        """Post a delivery now and wait for the answer; a 200 to a good request is its ack."""
        if self.request_url is None:
            raise ValueError("The playground has no request_url: set it before delivering by HTTP.")
        answer = self._courier.deliver(self.request_url, delivery, signature, retry)
        if signature is Signature.GOOD:
            self._judge(delivery, answer)
        return answer

    def _judge(self, delivery: Delivery, answer: HttpAnswer) -> None:
        if answer.status == 200:
            self._acked(delivery, answer.payload())
        elif answer.timed_out:
            self._fail(delivery, TIMEOUT)
        else:
            self._fail(delivery, FAILED)

    # -- what comes back ------------------------------------------------------------------------------------

    def acknowledged(self, envelope_id: str, payload: Any) -> None:
        """The bot acked an envelope on some socket."""
        delivery = self._world.delivery_of(envelope_id)
        if delivery is not None:
            self._acked(delivery, payload if delivery.kind in ACCEPTS_PAYLOAD else None)

    def _acked(self, delivery: Delivery, payload: Any) -> None:
        with self._lock:
            delivery.acks += 1
            first = delivery.acked_at is None
            if first:
                delivery.ack_payload = payload
                delivery.acked_at = time.monotonic()
        if first and delivery.error != TIMEOUT:
            refusal = self._answers.carry_out_ack(delivery)
            if refusal is not None:
                self._fail(delivery, refusal)
        self._world.touch()

    def _too_late(self, delivery: Delivery) -> None:
        if delivery.acked_at is None:
            self._fail(delivery, TIMEOUT)

    def _fail(self, delivery: Delivery, error: str) -> None:
        if delivery.error is None:
            delivery.error = error
        self._world.touch()

    def connection_lost(self, number: int) -> None:
        """Send what the connection still owed over another one, now or when one comes."""
        with self._lock:
            owed = [envelope for envelope, used in self._sent_on.items() if used == number]
            for envelope_id in owed:
                del self._sent_on[envelope_id]
                delivery = self._world.delivery_of(envelope_id)
                if delivery is not None and delivery.acked_at is None:
                    self._homeless.append(delivery)
        if self._hub.connections:
            self.connection_opened()

    def connection_opened(self) -> None:
        """Redeliver what a lost connection left unacknowledged."""
        with self._lock:
            owed, self._homeless = self._homeless, []
        for delivery in owed:
            if delivery.acked_at is None:
                self.redeliver(delivery, fresh=False, via="socket")


def _new_envelope_id() -> str:
    return f"env-{secrets.token_hex(12)}"


def _envelope(delivery: Delivery, envelope_id: str, retry: int) -> Json:
    envelope: Json = {
        "envelope_id": envelope_id,
        "type": delivery.envelope_type,
        "payload": delivery.payload,
        "accepts_response_payload": delivery.kind in ACCEPTS_PAYLOAD,
    }
    if delivery.envelope_type == "events_api":
        envelope |= {"retry_attempt": retry, "retry_reason": "timeout" if retry else ""}
    return envelope
