"""What is stored of given event ids, for comparing with labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from monitor.adapters.clickhouse import connect
from monitor.agreement import Answers
from monitor.settings import ClickHouseSettings

_IDS_A_QUERY: Final = 500
"""Parameters travel in the address of the request, which servers bound."""


async def stored_answers(settings: ClickHouseSettings, ids: Sequence[str]) -> dict[str, Answers]:
    """The answers by event id; ids that aren't stored are missing. Raises what the store raises."""
    found: dict[str, Answers] = {}
    async with await connect(settings) as store:
        for begin in range(0, len(ids), _IDS_A_QUERY):
            for row in await store.query("labels", ids=list(ids[begin : begin + _IDS_A_QUERY])):
                found[row["event_id"]] = Answers(
                    refusal=row["refused"],
                    prompt_harmful=row["prompt_harmful"],
                    response_harmful=row["response_harmful"],
                )
    return found
