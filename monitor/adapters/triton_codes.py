"""What each gRPC code of Triton's says: of the server as a whole, of what was asked, or of either."""

from __future__ import annotations

from typing import Any, Final

import grpc  # type: ignore[import-untyped]  # ships no types
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]  # ships no types

Code = grpc.StatusCode

AWAY: Final = frozenset(
    {
        Code.UNAVAILABLE,
        Code.DEADLINE_EXCEEDED,
        Code.RESOURCE_EXHAUSTED,
        Code.ABORTED,
        Code.CANCELLED,  # by the server, which does it when it shuts down; our own cancelling never gets here
        Code.NOT_FOUND,  # the model is being loaded or unloaded; `connect` tells a wrong name apart
    }
)
"""The server as a whole doesn't answer: retried, counted by the breaker."""

AMBIGUOUS: Final = frozenset({Code.INTERNAL, Code.UNKNOWN, Code.DATA_LOSS})
"""A model that broke on one input and a broken server look alike (Triton says INTERNAL for both): tried twice,
then decided by an exchange that is known to be good."""

FORBIDDEN: Final = frozenset({Code.UNAUTHENTICATED, Code.PERMISSION_DENIED, Code.UNIMPLEMENTED})

_DEAD_PROCESS: Final = "is not healthy"


def is_away(exc: Any) -> bool:
    """No answer of the model's: no word about the exchange."""
    return exc.code() in AWAY or has_died(exc)


def has_died(exc: Any) -> bool:
    """Triton (2.51) goes on giving requests to a model process that has died, beside others that live, and fails them with
    INTERNAL."""
    return exc.code() is Code.INTERNAL and _DEAD_PROCESS in (exc.details() or "")


def code_of(exc: InferenceServerException) -> Any:
    """The gRPC code that tritonclient keeps as text."""
    name = str(exc.status() or "").removeprefix("StatusCode.")
    return Code.__members__.get(name, Code.UNKNOWN)
