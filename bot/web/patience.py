"""How long the web door waits for a request, and for how many at once. Must not know what is asked.

uvicorn has no limit of its own for a request that comes slowly: whoever opens connections and says little would keep
each of them for ever. Here a whole request, headers and body, has to arrive within seconds; and where too many
connections are open, the one that has been waited for the longest makes room. A request that comes at once, as
Slack's do, is never that one.
"""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_SECONDS = 5.0
"""What a whole request may take; Slack itself gives up after 3 s."""

MOST_CONNECTIONS = 200

_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class PatientProtocol(H11Protocol):
    """One connection. All of it runs on the server's event loop."""

    waits_since: float | None = None
    """The loop's time since which a whole request is awaited; None while one is being answered."""
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request from now on."""
        super().connection_made(transport)
        self._wait()
        self._make_room()

    def data_received(self, data: bytes) -> None:
        """Take it in; once the request is whole, it is ours to be slow."""
        super().data_received(data)
        if self.waits_since is not None and self.conn.their_state in (h11.DONE, h11.MUST_CLOSE):
            self._wait_no_more()

    def on_response_complete(self) -> None:
        """Wait for the next request, or still for the rest of this one, if it was refused before it was whole."""
        super().on_response_complete()
        if self.waits_since is None and not self.transport.is_closing():
            self._wait()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP. Where an answer was begun there is nothing left to say it in.

        uvicorn would begin a second one, and fail with a traceback (seen with uvicorn 0.54).
        """
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # whatever it was about to say
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._wait_no_more()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self.waits_since = self.loop.time()
        self._timer = self.loop.call_later(REQUEST_SECONDS, self._give_up)

    def _wait_no_more(self) -> None:
        self.waits_since = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _make_room(self) -> None:
        """Hang up on whoever was waited for the longest, where more are open than may be."""
        ours = [one for one in self.connections if isinstance(one, PatientProtocol)]
        still_open = [one for one in ours if not one.transport.is_closing()]
        waiting = [one for one in still_open if one.waits_since is not None]
        if waiting and len(still_open) > MOST_CONNECTIONS:
            min(waiting, key=lambda one: one.waits_since or 0.0).transport.abort()

    def _give_up(self) -> None:
        self.waits_since = self._timer = None
        if self.transport.is_closing():
            return
        is_in_head = self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])
        is_in_body = self.conn.their_state is h11.SEND_BODY and not self.cycle.response_started
        if is_in_head or is_in_body:
            self.transport.write(_TOO_SLOW)
        self.transport.close()
