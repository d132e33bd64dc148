"""Verdicts become rows; what can't be a row is dead-lettered alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
import pytest

from monitor.dead_lettering import Origin, dead_letter
from monitor.errors import Misconfigured, Rejected, Retryable
from monitor.judging.rows import judgement_row
from monitor.ledger import Ledger
from monitor.metrics import Metric, Metrics
from monitor.recalibration.signing import sign
from monitor.recording import alert_row
from monitor.settings import DeadLetterSettings
from schemas import topics
from schemas.alerts import Alert, Source
from schemas.events import Verdict
from tests.fakes.audit_records import a_record, refused
from tests.fakes.intake import FakeIntake, FakeMessage
from tests.fakes.judging import a_judgement
from tests.fakes.outbox import FakeOutbox
from tests.fakes.verdicts import a_verdict
from tests.unit.recalibration.calibrations import a_calibration
from workers.dead_letters import DeadLetters
from workers.storage import ALERTS, AUDITS, DEAD_LETTERS, JUDGEMENTS, Storage, calibrations

SECRET = b"s" * 16


class _Clock:
    def now(self) -> datetime:
        return datetime(2025, 3, 3, tzinfo=UTC)


@dataclass
class _PickyStore:
    """Refuses a block that holds any of `poison`, as ClickHouse refuses a whole insert for one row."""

    poison: frozenset[bytes] = frozenset()
    failures: list[Exception] = field(default_factory=list)
    rows: list[bytes] = field(default_factory=list)

    async def insert(self, rows: Sequence[bytes], /) -> None:
        if self.failures:
            raise self.failures.pop(0)
        if self.poison & set(rows):
            raise Rejected("bad_row", "a value out of range")
        self.rows.extend(rows)


def _agent(store: _PickyStore, outbox: FakeOutbox, settings: DeadLetterSettings | None = None) -> Storage:
    return Storage(
        store, DeadLetters(outbox, "safety.verdicts.dlq", settings or DeadLetterSettings(), "1", _Clock())
    )


def _values(count: int) -> list[bytes]:
    return [msgspec.structs.replace(a_verdict(), event_id=f"e{i}").to_bytes() for i in range(count)]


async def test_the_bytes_on_kafka_are_the_row() -> None:
    store, outbox = _PickyStore(), FakeOutbox()
    values = _values(3)

    counts = await _agent(store, outbox).handle(FakeIntake().batch(values))

    assert (store.rows, dict(outbox.published), counts) == (values, {}, Ledger(0, messages=3, exchanges=3))


async def test_a_bad_record_is_dead_lettered_alone_and_whole() -> None:
    store, outbox = _PickyStore(), FakeOutbox()
    good = _values(2)
    bad: list[bytes | None] = [b"\xff\xfe", b"{}", b"[" * 100_000, None]

    counts = await _agent(store, outbox).handle(FakeIntake().batch([good[0], *bad, good[1]]))

    letters = outbox.published["safety.verdicts.dlq", 0]
    reasons = [dict(letter.headers)[topics.HEADER_REASON] for letter in letters]
    assert store.rows == good
    assert [letter.value for letter in letters] == bad
    assert reasons == [b"not_a_verdict", b"not_a_verdict", b"not_a_verdict", b"tombstone"]
    assert counts == Ledger(0, messages=6, exchanges=2, dead_messages=4)


async def test_a_row_that_the_store_refuses_is_found_and_dead_lettered_alone() -> None:
    values = _values(9)
    store, outbox = _PickyStore(poison=frozenset({values[4]})), FakeOutbox()

    counts = await _agent(store, outbox).handle(FakeIntake().batch(values))

    letters = outbox.published["safety.verdicts.dlq", 0]
    assert store.rows == values[:4] + values[5:]
    assert [(letter.value, dict(letter.headers)[topics.HEADER_OFFSET]) for letter in letters] == [
        (values[4], b"4")
    ]
    assert counts == Ledger(0, messages=9, exchanges=8, dead_messages=1)


async def test_a_store_that_is_away_is_the_loops_to_retry() -> None:
    store = _PickyStore(failures=[Retryable("away")])
    intake = FakeIntake()
    batch = intake.batch(_values(2))

    await batch.settle(_agent(store, FakeOutbox()).handle)

    assert (intake.waits, store.rows, batch.counts) == (
        ["Retryable"],
        _values(2),
        Ledger(0, messages=2, exchanges=2),
    )


async def test_too_many_bad_records_in_a_row_stop_before_they_drain() -> None:
    outbox = FakeOutbox()
    agent = _agent(_PickyStore(), outbox, DeadLetterSettings(max_run=3))

    with pytest.raises(Misconfigured, match="3 messages in a row"):
        await agent.handle(FakeIntake().batch([b"x", b"y", b"z"]))

    assert dict(outbox.published) == {}


async def test_a_verdict_survives_the_wire_whole() -> None:
    verdict = a_verdict()

    assert Verdict.from_bytes(verdict.to_bytes()) == verdict


async def test_judgements_become_flat_rows_and_what_is_none_is_dead_lettered() -> None:
    store, outbox, metrics = _PickyStore(), FakeOutbox(), Metrics()
    letters = DeadLetters(outbox, "safety.judgements.dlq", DeadLetterSettings(), "1", _Clock())
    values = [a_judgement(f"e{n}").to_bytes() for n in range(2)]

    counts = await Storage(store, letters, metrics, JUDGEMENTS).handle(
        FakeIntake().batch([values[0], a_verdict().to_bytes(), values[1]])
    )

    assert store.rows == [judgement_row(value) for value in values]
    (letter,) = outbox.published["safety.judgements.dlq", 0]
    assert dict(letter.headers)[topics.HEADER_REASON] == b"not_a_judgement"
    assert counts == Ledger(0, messages=3, exchanges=2, dead_messages=1)
    assert metrics.value(Metric.JUDGEMENTS_STORED) == 2
    assert metrics.value(Metric.DEAD_LETTERS, role="judgements", reason="not_a_judgement") == 1


async def test_alerts_are_rows_of_their_own_and_what_is_no_alert_is_left_where_it_is() -> None:
    store, metrics = _PickyStore(), Metrics()
    good = an_alert().to_bytes()
    bad: list[bytes | None] = [b"no alert", None, b"[" * 100_000]

    counts = await Storage(store, None, metrics, ALERTS).handle(FakeIntake().batch([bad[0], good, *bad[1:]]))

    assert store.rows == [alert_row(good, partition=0, offset=1, timestamp_ms=1_741_000_000_000)]
    assert counts == Ledger(0, messages=4, exchanges=1, dead_messages=0)
    assert metrics.value(Metric.ALERTS_STORED) == 1
    assert metrics.value(Metric.LEFT_OUT, role="alert_rows", reason="not_an_alert") == 2
    assert metrics.value(Metric.LEFT_OUT, role="alert_rows", reason="tombstone") == 1


async def test_audits_are_stored_whole_and_what_is_no_audit_is_left_where_it_is() -> None:
    store, metrics = _PickyStore(), Metrics()
    good = [a_record().to_bytes(), refused().to_bytes()]
    bad: list[bytes | None] = [b"{}", None, b"[" * 100_000, b"x" * 1_000_001]

    counts = await Storage(store, None, metrics, AUDITS).handle(FakeIntake().batch([bad[0], *good, *bad[1:]]))

    assert store.rows == good
    assert counts == Ledger(0, messages=6, exchanges=2, dead_messages=0)
    assert metrics.value(Metric.AUDITS_STORED) == 2
    assert metrics.value(Metric.LEFT_OUT, role="audit_rows", reason="not_an_audit") == 3
    assert metrics.value(Metric.LEFT_OUT, role="audit_rows", reason="tombstone") == 1


async def test_dead_letters_are_rows_of_their_headers_and_one_that_somebody_else_wrote_blocks_nothing() -> (
    None
):
    store, metrics, intake = _PickyStore(), Metrics(), FakeIntake()
    origin = Origin("chat.logs", 1, 9, None, None, (), datetime(2026, 3, 2, tzinfo=UTC))
    headers = dead_letter(origin, reason="tombstone", detail="", version="1").headers
    batch = intake.batch([None, b"whatever", b"\xff"])
    batch.messages = [
        FakeMessage(0, None, headers=headers),
        FakeMessage(1, b"whatever"),
        FakeMessage(2, b"typed", headers=headers),
    ]

    counts = await Storage(store, None, metrics, DEAD_LETTERS).handle(batch)

    assert [msgspec.json.decode(row)["letter"] for row in store.rows] == ["chat.logs/0/0", "chat.logs/0/2"]
    assert b"typed" not in b"".join(store.rows)
    assert counts == Ledger(0, messages=3, exchanges=2, dead_messages=0)
    assert metrics.value(Metric.LEFT_OUT, role="dead_letter_rows", reason="not_a_dead_letter") == 1
    assert metrics.value(Metric.LETTERS_STORED) == 2


@pytest.mark.parametrize(("secrets", "stored"), [({"k1": SECRET}, 1), ({"k9": SECRET}, 0), ({}, 0)])
async def test_calibrations_are_rows_if_they_are_signed_by_one_of_us(
    secrets: dict[str, bytes], stored: int
) -> None:
    store, metrics = _PickyStore(), Metrics()
    good = sign(a_calibration(), "k1", SECRET).to_bytes()
    forged = sign(a_calibration(), "k1", b"x" * 16).to_bytes()

    counts = await Storage(store, None, metrics, calibrations(secrets)).handle(
        FakeIntake().batch([forged, good, b"{}", b"\xff", None, b"[" * 100_000])
    )

    assert len(store.rows) == stored
    assert counts == Ledger(0, messages=6, exchanges=stored, dead_messages=0)
    assert metrics.value(Metric.CALIBRATIONS_STORED) == stored
    assert metrics.value(Metric.LEFT_OUT, role="calibration_rows", reason="not_a_calibration") == 5 - stored
    assert metrics.value(Metric.LEFT_OUT, role="calibration_rows", reason="tombstone") == 1


async def test_a_row_that_the_store_refuses_is_left_out_too() -> None:
    good = [msgspec.structs.replace(an_alert(), id=f"a{n}").to_bytes() for n in range(5)]
    rows = [
        alert_row(one, partition=0, offset=n, timestamp_ms=1_741_000_000_000) for n, one in enumerate(good)
    ]
    store, metrics = _PickyStore(poison=frozenset({rows[3]})), Metrics()

    await Storage(store, None, metrics, ALERTS).handle(FakeIntake().batch(good))

    assert store.rows == [row for row in rows if row != rows[3]]
    assert metrics.value(Metric.LEFT_OUT, role="alert_rows", reason="refused_by_store") == 1


def an_alert() -> Alert:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    return Alert(
        id="a1", fleet="wk", kind="worker_silent", severity="warning", state="firing", started_at=at, at=at, ended_at=None,
        title="said nothing", place={}, facts={}, remedy="look", source=Source("w", "1"),
    )  # fmt: skip
