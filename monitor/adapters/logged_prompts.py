"""Logged prompts with their refusal-token records and labels, from ClickHouse."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from monitor.adapters.clickhouse import ClickHouse
from monitor.recalibration.model_policies import ModelPolicy
from monitor.recalibration.ports import Logs
from monitor.recalibration.windows import Logged
from schemas.refusal_tokens import RefusalToken


class StoredPrompts:
    """Implements recalibration.ports.LoggedPrompts on verdicts and judgements."""

    def __init__(self, store: ClickHouse, source_topic: str, most: int) -> None:
        """`source_topic`: whose exchanges count; what is replayed later isn't the traffic of now. `most`: rows read at most."""
        self._store = store
        self._source_topic = source_topic
        self._most = most

    async def logged(self, policy: ModelPolicy, since: datetime, until: datetime) -> Logs:
        """See the port. Rows are streamed; the newest `most` count for themselves, in the shorter time that they come from."""
        found: list[Logged] = []
        is_cut = False
        async for row in self._store.stream(
            "calibration_logged",
            model=policy.logged_as,
            source_topic=self._source_topic,
            since=since,
            until=until,
            by_judge=policy.labels == "judge",
            most=self._most + 1,
        ):
            if len(found) == self._most:
                is_cut = True
                break
            found.append(logged_of(row, policy))
        return Logs(found, found[-1].at if is_cut else since, until, is_cut)


def logged_of(row: dict[str, Any], policy: ModelPolicy) -> Logged:
    """A row of calibration_logged.sql. A record that this release can't read is none."""
    return Logged(
        token=_token(row["token"]),
        at=row["at"],
        context_turns=row["turns"],
        inclusion=min(float(row["inclusion"]), 1.0),
        is_harmful=_flag(row["is_harmful"]),
        is_refused=_flag(row["is_refused"]),
        severity=policy.severity.get(row["category_name"], 1.0),
    )


def _flag(value: object) -> bool | None:
    return None if value is None else bool(value)


def _token(text: str | None) -> RefusalToken | None:
    try:
        return None if text is None else _DECODER.decode(text)
    except msgspec.MsgspecError:
        return None


_DECODER = msgspec.json.Decoder(RefusalToken)
