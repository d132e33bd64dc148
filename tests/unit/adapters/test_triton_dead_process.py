"""A model process that died beside one that lives: Triton goes on giving it requests, and fails them at once."""

from __future__ import annotations

from typing import Any

import grpc  # type: ignore[import-untyped]  # ships no types

from monitor.adapters.triton import connect
from monitor.errors import Retryable
from monitor.settings import TritonSettings
from tests.fakes.guard_server import GuardServer


class HalfDead(GuardServer):
    """Says of the next calls, in the order of `dead`, what Triton 2.51 says of one that it gave to the dead process."""

    dead: list[bool]

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802  # the protocol's name
        if self.dead and self.dead.pop(0):
            await context.abort(grpc.StatusCode.INTERNAL, "Stub process 'guard_lite_0_0' is not healthy.")
        return await super().ModelInfer(request, context)


async def test_a_dead_model_process_beside_a_living_one_marks_no_exchange() -> None:
    async with HalfDead() as server, await connect(TritonSettings(url=server.address)) as guard:
        server.dead = [
            True,
            True,
            False,
            True,
            True,
        ]  # the False is the adapter's own exchange, known to be good
        try:
            (score,) = await guard.score(["How do plants grow?"], ["With light."])
        except Retryable:
            return
        assert score.status == "ok"
