"""Databases of a test's own on the shared engine, and verdicts to fill them with."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from monitor.adapters.clickhouse import ClickHouse, connect
from monitor.settings import ClickHouseSettings
from schemas.events import Verdict
from tests.fakes.verdicts import a_verdict

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=6)
"""The first arrival of the tests' verdicts: lately, since rows go after 90 days; on the hour, so that windows are round."""


@asynccontextmanager
async def new_store(url: str) -> AsyncIterator[ClickHouse]:
    """A client of a new database with all migrations, dropped in the end."""
    settings = ClickHouseSettings(url=url, database=f"watchkeeper_{secrets.token_hex(4)}")
    async with await connect(settings) as store:
        await store.migrate()
        try:
            yield store
        finally:
            await store._client.command(f"DROP DATABASE {settings.database} SYNC")


def verdict(event_id: str, minutes: float = 0, **given: Any) -> Verdict:
    """A verdict that arrived so many minutes after NOW."""
    arrived_at = NOW + timedelta(minutes=minutes)
    fields: dict[str, Any] = {"arrived_at": arrived_at, "occurred_at": arrived_at - timedelta(seconds=2)}
    return msgspec.structs.replace(a_verdict(), event_id=event_id, **{**fields, **given})


def unanswered(event_id: str, minutes: float = 0, **given: Any) -> Verdict:
    """A verdict without an answer of the guard: status error unless given."""
    nothing = dict.fromkeys(
        ("prompt_harm", "prompt_harmful", "refusal", "refused", "response_harm", "response_harmful")
    )
    return verdict(
        event_id,
        minutes,
        **{"status": "error", "category": "", "category_probability": None, **nothing, **given},
    )


async def rows(store: ClickHouse, statement: str) -> list[tuple[Any, ...]]:
    """The rows of any statement."""
    return [tuple(row) for row in (await store._client.query(statement)).result_rows]
