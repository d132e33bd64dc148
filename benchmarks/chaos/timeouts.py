"""The workers' settings in a chaos run: time-outs so short that a run sees many of them end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from benchmarks.chaos.kinds import Bound

SESSION_TIMEOUT_S: Final = 6.0
REQUEST_TIMEOUT_S: Final = 8.0
RETRY_MAX_S: Final = 2.0
DEADLINE_S: Final = 2.0
BREAKER_OPEN_S: Final = 2.0
STORE_TIMEOUT_S: Final = 3.0
DRAIN_S: Final = 5.0
HASH_KEY: Final = "a key of the chaos run"

SECONDS: Final[Mapping[Bound, float]] = {
    Bound.SESSION: SESSION_TIMEOUT_S,
    Bound.DRAIN: DRAIN_S,
    Bound.REQUEST: REQUEST_TIMEOUT_S,
    Bound.DEADLINE: DEADLINE_S,
    Bound.BREAKER: BREAKER_OPEN_S,
    Bound.STORE: STORE_TIMEOUT_S,
    Bound.RETRY: RETRY_MAX_S,
}


def worker_settings(*, kafka: str, triton: str, clickhouse: str) -> dict[str, str]:
    """The WATCHKEEPER_* variables of a worker that finds the parts at these addresses."""
    return {
        "WATCHKEEPER_KAFKA__BOOTSTRAP": kafka,
        "WATCHKEEPER_KAFKA__SESSION_TIMEOUT_S": str(SESSION_TIMEOUT_S),
        "WATCHKEEPER_KAFKA__REQUEST_TIMEOUT_S": str(REQUEST_TIMEOUT_S),
        "WATCHKEEPER_TRITON__URL": triton,
        "WATCHKEEPER_TRITON__DEADLINE_S": str(DEADLINE_S),
        "WATCHKEEPER_TRITON__BREAKER_OPEN_S": str(BREAKER_OPEN_S),
        "WATCHKEEPER_CLICKHOUSE__URL": clickhouse,
        "WATCHKEEPER_CLICKHOUSE__CONNECT_TIMEOUT_S": "2",
        "WATCHKEEPER_CLICKHOUSE__TIMEOUT_S": str(STORE_TIMEOUT_S),
        "WATCHKEEPER_PRIVACY__HASH_KEY": HASH_KEY,
        "WATCHKEEPER_RETRY__MAX_S": str(RETRY_MAX_S),
        "WATCHKEEPER_WORKER__DRAIN_S": str(DRAIN_S),
        "WATCHKEEPER_WORKER__HTTP_PORT": "0",
        "WATCHKEEPER_WORKER__LOG_FORMAT": "json",
    }
