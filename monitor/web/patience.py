"""How long the server waits for somebody to say what is wanted: uvicorn itself waits for ever, and a few hundred who never finish
their sentence would keep everybody else out."""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

ASKS_WITHIN_S: Final = 10.0


class Patience(H11Protocol):
    """HTTP/1.1 that closes a connection whose request's head hasn't arrived whole in time, from the connection or from its first byte
    on. What comes after a head has limits of its own (forms.py)."""

    within_s: float = ASKS_WITHIN_S
    _ends: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """See asyncio."""
        super().connection_made(transport)
        self._look()

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        super().data_received(data)
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._forget()
        super().connection_lost(exc)

    def _look(self) -> None:
        cycle: RequestResponseCycle | None = (
            self.cycle
        )  # None before the first request, though uvicorn's types don't say so
        if cycle is not None and not cycle.response_complete:
            self._forget()
        elif self._ends is None:
            self._ends = self.loop.call_later(self.within_s, self.transport.close)

    def _forget(self) -> None:
        if self._ends is not None:
            self._ends.cancel()
            self._ends = None
