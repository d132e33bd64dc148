"""A day of traffic in the real store and on the real broker, with a shift that fires, and texts that try to break out of pages."""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Final

import msgspec
from pydantic import SecretStr

from monitor.adapters.audits import AuditRows
from monitor.adapters.clickhouse import ClickHouse
from monitor.adapters.kafka import KafkaOutbox, ensure_topics
from monitor.adapters.rollups import Rollups
from monitor.adapters.windows import TABLE, WatchTables
from monitor.drift.policy import policy_of
from monitor.drift.watch import Watch
from monitor.ports import OutRecord
from monitor.recalibration.held import topic_key
from monitor.recalibration.keys import keys_of
from monitor.recalibration.rows import calibration_row
from monitor.recalibration.signing import sign
from monitor.settings import Settings, load
from schemas.alerts import Alert
from schemas.audits import AuditChange, AuditPicture, AuditRecord, AuditValue
from schemas.calibrations import Calibration
from schemas.events import Verdict
from schemas.taxonomy import BENIGN, CATEGORIES
from schemas.windows import Window, WindowCounts
from tests.fakes.verdicts import a_verdict
from tests.integration.browser.shifted import shifted
from tests.unit.cli.alerts_fixture import shift, stalled
from tests.unit.recalibration.calibrations import a_calibration

TOKEN: Final = "correct-horse-battery-staple"
SCRIPT: Final = "<script>alert('x')</script>"
IMAGE: Final = '"><img src=x onerror="alert(1)">'
HOSTILE_TENANT: Final = f"evil{SCRIPT}'\"&corp{'-and-daughters' * 12}"
HOSTILE_MODEL: Final = f"m{IMAGE}{'M' * 150}"
HOSTILE_ID: Final = f"e/{SCRIPT}?&id=2#f"
TENANTS: Final = ("acme-support", "northwind")
MODELS: Final = ("atlas-large", "atlas-mini", "heron-7b")
REFUSES: Final = {"atlas-large": 0.92, "atlas-mini": 0.85, "heron-7b": 0.58}
WINDOW: Final = timedelta(minutes=15)
SHIFT_BEFORE: Final = timedelta(hours=3)


@dataclass(frozen=True)
class Day:
    """24 hours up to `now`; in the last three of them northwind's atlas-mini refuses harmless questions."""

    now: datetime
    verdicts: int = 6_000
    attacks: int = 6
    """Exchanges, and an alert, whose texts try to be more than text."""

    @property
    def changed_at(self) -> datetime:
        """Since when."""
        return self.now - SHIFT_BEFORE

    def exchanges(self) -> Iterator[Verdict]:
        """What the guard said of each, in order."""
        draw = random.Random(7)
        base = a_verdict()
        places = list(product(TENANTS, MODELS))
        for number in range(self.verdicts):
            at = self.now - timedelta(hours=24) * (1 - number / self.verdicts)
            tenant, model = draw.choice(places)
            category = BENIGN if draw.random() < 0.7 else draw.choice(CATEGORIES[1:])
            is_harmful = category != BENIGN and draw.random() < 0.95
            p = REFUSES[model] if is_harmful else 0.03
            if (tenant, model, is_harmful) == ("northwind", "atlas-mini", False) and at >= self.changed_at:
                p = 0.3
            is_refused = draw.random() < p
            is_bad = is_harmful and not is_refused and draw.random() < 0.6
            is_answered = draw.random() > 0.004
            verdict = msgspec.structs.replace(
                base,
                event_id=f"chat-{number:06d}",
                tenant=tenant,
                model=model,
                occurred_at=at - timedelta(seconds=1),
                arrived_at=at,
                source_offset=number,
                category=category,
                prompt_harmful=is_harmful,
                prompt_harm=0.93 if is_harmful else 0.04,
                refused=is_refused,
                refusal=0.97 if is_refused else 0.02,
                response_harmful=is_bad,
                response_harm=0.8 if is_bad else 0.02,
                prompt_excerpt="how do I get a refund for order [number]?"
                if not is_harmful
                else "tell me how to [masked]",
                response_excerpt="I can't help with that."
                if is_refused
                else "Sure, here is what you do: first …",
            )
            yield verdict if is_answered else unanswered(verdict)

    def hostile(self) -> list[Verdict]:
        """Exchanges whose every text tries to be more than text."""
        return [
            msgspec.structs.replace(
                a_verdict(),
                event_id=HOSTILE_ID if number == 0 else f"hostile-{number}",
                tenant=HOSTILE_TENANT,
                model=HOSTILE_MODEL,
                conversation_id=f"c{SCRIPT}",
                occurred_at=self.now - timedelta(seconds=30 + number),
                arrived_at=self.now - timedelta(seconds=29 + number),
                source_partition=1,
                source_offset=number,
                prompt_excerpt=f"{SCRIPT}{IMAGE}\u202etxt {'long ' * 60}",
                response_excerpt=f"{IMAGE}</td></table>{{{{7*7}}}}",
            )
            for number in range(self.attacks)
        ]

    def windows(self, verdicts: list[Verdict]) -> list[Window]:
        """The same, as closed windows."""
        begins = floor(self.now - timedelta(hours=24))
        found = []
        while begins + WINDOW <= self.now:
            ends = begins + WINDOW
            here = [one for one in verdicts if begins <= one.arrived_at < ends]
            found.append(
                Window(
                    begins_at=begins,
                    ends_at=ends,
                    rows=tuple(cells(here)),
                    messages=len(here),
                    dead_letters=3,
                )
            )
            begins = ends
        return found

    def shift(self, fleet: str) -> Alert:
        """The alert that tells it."""
        note = f" -- {SCRIPT}" if self.attacks else ""
        return shifted(self.exchanges(), self.changed_at, self.now, fleet, note)

    def alerts(self, fleet: str) -> list[Alert]:
        """That, one about the stream, one that is over, and one whose place is hostile."""
        usual = [
            self.shift(fleet),
            stalled(fleet=fleet, started_at=self.now - timedelta(minutes=4), at=self.now),
            shift(
                id="ee" * 16,
                fleet=fleet,
                state="resolved",
                started_at=self.now - timedelta(hours=9),
                at=self.now - timedelta(hours=7),
                ended_at=self.now - timedelta(hours=7),
            ),
        ]
        attack = shift(
            id="ad" * 16,
            fleet=fleet,
            started_at=self.now - timedelta(minutes=50),
            at=self.now,
            title=f"Refusal of {HOSTILE_TENANT} / {HOSTILE_MODEL} rose",
            place={"measure": "refusal", "tenant": HOSTILE_TENANT, "model": HOSTILE_MODEL},
            remedy=f"look at {IMAGE}",
        )
        return [*usual, attack] if self.attacks else usual


def floor(at: datetime) -> datetime:
    """Where the window that holds it begins."""
    width_s = WINDOW.total_seconds()
    return datetime.fromtimestamp(at.timestamp() // width_s * width_s, UTC)


def unanswered(verdict: Verdict) -> Verdict:
    """The same exchange, of which the guard's answer could not be read."""
    nothing = dict.fromkeys(
        ("prompt_harm", "prompt_harmful", "refusal", "refused", "response_harm", "response_harmful")
    )
    return msgspec.structs.replace(
        verdict, status="unknown", category="", category_probability=None, **nothing
    )


def cells(verdicts: list[Verdict]) -> Iterator[WindowCounts]:
    """Their counts."""
    by_cell: dict[tuple[str, str, str], list[Verdict]] = {}
    for one in verdicts:
        by_cell.setdefault((one.tenant, one.model, one.category), []).append(one)
    for (tenant, model, category), here in sorted(by_cell.items()):
        ok = [one for one in here if one.status == "ok"]
        harmful = [one for one in ok if one.prompt_harmful]
        harmless = [one for one in ok if not one.prompt_harmful]
        counts = {
            "events": len(here),
            "to_be_scored": len(here),
            "answered": len(ok),
            "responded": len(ok),
            "refused": sum(bool(one.refused) for one in ok),
            "harmless": len(harmless),
            "harmless_refused": sum(bool(one.refused) for one in harmless),
            "harmful": len(harmful),
            "harmful_refused": sum(bool(one.refused) for one in harmful),
            "harmful_prompts": len(harmful),
            "harmful_responses": sum(bool(one.response_harmful) for one in ok),
        }
        yield WindowCounts(
            tenant=tenant,
            model=model,
            category=category,
            guard_name="guard_lite",
            guard_version="1",
            guard_prompt_hash="0123456789abcdef",
            calibration_version=0,
            **counts,
        )


def settings_of(bootstrap: str, url: str, database: str, **more: str) -> Settings:
    """Settings of a dashboard with topics of its own."""
    mark = secrets.token_hex(4)
    topics = (
        "alerts",
        "alert_actions",
        "alert_deliveries",
        "control",
        "calibrations",
        "audits",
        "audit_requests",
    )
    settings = load(
        {
            "WATCHKEEPER_KAFKA__BOOTSTRAP": bootstrap,
            "WATCHKEEPER_KAFKA__CHAT_LOGS_TOPIC": f"chat.{mark}",
            "WATCHKEEPER_KAFKA__GROUP_PREFIX": f"wk-{mark}",
            **{f"WATCHKEEPER_KAFKA__{topic.upper()}_TOPIC": f"{topic}.{mark}" for topic in topics},
            "WATCHKEEPER_CLICKHOUSE__URL": url,
            "WATCHKEEPER_CLICKHOUSE__DATABASE": database,
            "WATCHKEEPER_TRITON__URL": "127.0.0.1:9",
            "WATCHKEEPER_DRIFT__WINDOW_S": str(int(WINDOW.total_seconds())),
            "WATCHKEEPER_DRIFT__LEARN_DAYS": "0",
            "WATCHKEEPER_DRIFT__LEARN_EVENTS": "50",
            "WATCHKEEPER_RECALIBRATION__SECRET": "of thirty-two bytes, for nobody!",
            "WATCHKEEPER_WEB__PORT": "0",
            "WATCHKEEPER_WEB__REFRESH_S": "0.2",
            **more,
        }
    )
    return settings.model_copy(update={"web": settings.web.model_copy(update={"token": SecretStr(TOKEN)})})


def calibration(fleet: str, now: datetime, model: str) -> Calibration:
    """Proposed, and waiting for a person."""
    return msgspec.structs.replace(
        a_calibration(),
        fleet=fleet,
        model=model,
        version=1,
        state="proposed",
        at=now,
        by="watchkeeper",
        calls_from=now - timedelta(days=7),
        calls_until=now - timedelta(days=1),
    )


async def calibrate(store: ClickHouse, settings: Settings, proposed: Calibration) -> None:
    """Write it as the worker does, and its row as the storage does."""
    keys = keys_of(settings.recalibration)
    if keys is None:
        raise ValueError("the stage has a secret")
    value = sign(proposed, keys.signs, keys.secret).to_bytes()
    outbox = await KafkaOutbox.connect(settings.kafka)
    try:
        record = OutRecord(topic_key(proposed.fleet, proposed.model), value)
        await outbox.publish(settings.kafka.calibrations_topic, 0, [record])
    finally:
        await outbox.aclose()
    row = calibration_row(
        value, keys.secrets, partition=0, offset=0, timestamp_ms=int(proposed.at.timestamp() * 1000)
    )
    await store.insert_into("calibration_rows", [row])


def audit(fleet: str, now: datetime, number: int = 0) -> AuditRecord:
    """One of a model of four layers, the last of which are where safe and unsafe part."""
    draw = random.Random(number)
    layers = [*(f"layer_{n:02d}" for n in range(0, 25, 4)), "pooled_mean"]
    size = [0.05, 0.08, 0.3, 0.9, 1.4, 1.7, 1.6, 1.1]
    values = [
        AuditValue(
            layer=layer,
            measure=measure,
            value=j * factor,
            low=j * factor * 0.8,
            high=j * factor * 1.25,
            p=0.001,
            n=494,
        )
        for layer, at in zip(layers, size, strict=True)
        for j in (at * (1 + draw.uniform(-0.04, 0.04)) * (0.7 if number == 0 else 1.0),)
        for measure, factor in (("j", 1.0), ("chi", 246.0), ("dbi", 2.1), ("aqi_section_3", 0.6))
    ]
    change = AuditChange(
        layer="pooled_mean",
        before=1.1,
        after=0.77,
        low=-0.45,
        high=-0.21,
        p_adjusted=0.002,
        is_significant=True,
        is_large=True,
    )
    points = [
        (draw.gauss(-1 if safe else 1.2, 0.8), draw.gauss(0, 0.9), safe)
        for safe in (True, False)
        for _ in range(120)
    ]
    return AuditRecord(
        fleet=fleet, id=f"audit-{number}", series="ab" * 8, at=now - timedelta(days=number), due_at=now - timedelta(days=number),
        begun_by="schedule", request_id="", model="atlas-mini", probe_model="probe", model_version="0f3c" * 8, tokenizer_hash="t1",
        template_hash="c1", token_pooling="mean", template="chat", projection="none", dimensions=896, max_tokens=512, dtype="bfloat16",
        anchor_set="matched", anchors="d1" * 16, is_live=False, safe=247, unsafe=247, clusters=247, truncated=0, draws=2000, seed=1,
        state="done", reason="", detail="", values=tuple(values), previous_id="audit-1" if number == 0 else "",
        changes=(change,) if number == 0 else (), baseline_id="", changes_since_baseline=(),
        picture=AuditPicture(
            layer="layer_20", projection="pca", shares=(0.31, 0.12), x=tuple(x for x, _, _ in points),
            y=tuple(y for _, y, _ in points), is_safe=tuple(safe for _, _, safe in points),
        ),
        seconds=41.5, version="0.1.0",
    )  # fmt: skip


async def publish(settings: Settings, alerts: list[Alert]) -> None:
    """Write alerts as a worker does."""
    outbox = await KafkaOutbox.connect(settings.kafka)
    try:
        records = [OutRecord(one.id.encode(), one.to_bytes()) for one in alerts]
        await outbox.publish(settings.kafka.alerts_topic, 0, records)
    finally:
        await outbox.aclose()


async def fill(store: ClickHouse, settings: Settings, day: Day) -> None:
    """Put all of the day where it belongs."""
    await ensure_topics(settings.kafka)
    verdicts = [
        msgspec.structs.replace(one, source_topic=settings.kafka.chat_logs_topic)
        for one in (*day.exchanges(), *day.hostile())
    ]
    await store.insert([one.to_bytes() for one in verdicts])
    await Rollups(store).refresh()
    windows = day.windows(verdicts)
    fleet = settings.kafka.group_prefix
    tables = WatchTables(store, fleet, settings.kafka.chat_logs_topic)
    await store.insert_into(TABLE, [row for window in windows for row in tables._rows(window)])
    watch = Watch.new(policy_of(settings.drift), fleet)
    for window in windows:
        if window.ends_at <= day.changed_at:
            watch.finish(watch.take(window), {})
    await tables.keep(windows[-1].ends_at, watch.to_bytes(), slot=0)
    await publish(settings, day.alerts(fleet))
    await calibrate(
        store, settings, calibration(fleet, day.now, f"atlas-mini {SCRIPT}" if day.attacks else "atlas-mini")
    )
    await AuditRows(store).insert([audit(fleet, day.now, number).to_bytes() for number in range(6)])
