"""The reporter against fakes: what it sends to whom, what it remembers, and what it tells where a channel takes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from monitor.adapters.channels.reports import ReportChannel, ReportFolder
from monitor.errors import Misconfigured, Rejected, Retryable
from monitor.reporting.facts import Facts, Reach
from monitor.reporting.parcels import Parcel
from monitor.reporting.weeks import Week
from monitor.settings import Settings, load
from schemas.alerts import Alert
from tests.fakes.membership import FakeMembership
from tests.fakes.outbox import FakeOutbox
from tests.fakes.reporting import facts_of
from tests.waiting import until
from workers.identity import Identity
from workers.reports import Reporter

DUE = datetime(2026, 11, 23, 7, tzinfo=UTC)
"""A Monday: the report of 2026-W47 is due."""
WHO = Identity("host-1-ab", "0.1.0", DUE)
ALERTS = ("safety.alerts", 0)


@dataclass
class FakeReports:
    """Implements ReportChannel. `failures` are raised one a parcel, first to last, then `always`."""

    failures: list[Exception] = field(default_factory=list)
    always: Exception | None = None
    tried: int = 0
    took: list[Parcel] = field(default_factory=list)

    async def send(self, parcel: Parcel, /) -> None:
        self.tried += 1
        if self.failures:
            raise self.failures.pop(0)
        if self.always is not None:
            raise self.always
        self.took.append(parcel)


@dataclass
class FakeKept:
    """Implements workers.reports.Kept, in memory."""

    counted_until: datetime | None = DUE
    kept: dict[tuple[str, str], str] = field(default_factory=dict)
    failures: list[Exception] = field(default_factory=list)
    opened: int = 0
    at: list[datetime] = field(default_factory=list)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[FakeKept]:
        self.opened += 1
        yield self

    async def reach(self) -> Reach:
        return Reach(self.counted_until, 0, self.counted_until)

    async def facts(self, week: Week, now: datetime) -> Facts:
        return facts_of([], week, asked_at=now, reach=await self.reach())

    async def delivered(self, week: Week) -> frozenset[str]:
        return frozenset(channel for name, channel in self.kept if name == week.name)

    async def keep(self, week: Week, channel: str, outcome: str, at: datetime, worker: str) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.kept[week.name, channel] = outcome
        self.at.append(at)


@dataclass
class Rig:
    channels: dict[str, ReportChannel]
    kept: FakeKept = field(default_factory=FakeKept)
    leads: FakeMembership = field(default_factory=lambda: FakeMembership(now_s=DUE.timestamp() + 60))
    outbox: FakeOutbox = field(default_factory=FakeOutbox)
    settings: Settings = field(
        default_factory=lambda: load(
            {
                "WATCHKEEPER_REPORT__ENABLED": "1",
                "WATCHKEEPER_RETRY__FIRST_S": "0.001",
                "WATCHKEEPER_RETRY__MAX_S": "0.002",
            }
        )
    )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Reporter]:
        reporter = Reporter(
            WHO,
            self.outbox,
            self.settings,
            self.leads,
            self.channels,
            open_store=self.kept.open,
            turn_s=0.005,
        )
        await reporter.start()
        try:
            yield reporter
        finally:
            await reporter.stop()

    @property
    def alerts(self) -> list[tuple[str, str, str]]:
        found = [Alert.from_bytes(record.value or b"") for record in self.outbox.published[ALERTS]]
        return [(one.kind, one.state, one.place["channel"]) for one in found]


async def test_a_report_is_sent_once_to_each_and_not_again_by_who_comes_after(tmp_path: Path) -> None:
    team = FakeReports()
    rig = Rig({"(folder)": ReportFolder(tmp_path / "reports"), "team": team})
    async with rig.running():
        await until(lambda: len(rig.kept.kept) == 2)
    async with rig.running():
        await until(lambda: rig.kept.opened == 2)
    assert [parcel.report.week for parcel in team.took] == ["2026-W47"]
    assert [path.name for path in (tmp_path / "reports").iterdir()] == ["safety-report-2026-W47.html"]
    assert rig.kept.kept == {("2026-W47", "(folder)"): "delivered", ("2026-W47", "team"): "delivered"}
    assert rig.alerts == []


async def test_it_comes_again_with_the_next_week() -> None:
    team = FakeReports()
    rig = Rig({"team": team})
    async with rig.running():
        await until(lambda: len(team.took) == 1)
        rig.leads.now_s += timedelta(days=7).total_seconds()
        rig.kept.counted_until = DUE + timedelta(days=7)
        await until(lambda: len(team.took) == 2)
    assert [parcel.report.week for parcel in team.took] == ["2026-W47", "2026-W48"]
    assert team.took[0].key != team.took[1].key


async def test_nothing_is_sent_while_another_oversees_or_once_it_is_too_late() -> None:
    team = FakeReports()
    rig = Rig({"team": team}, leads=FakeMembership(is_owner=False, now_s=DUE.timestamp() + 60))
    async with rig.running():
        rig.leads.now_s += timedelta(days=4).total_seconds()
        rig.leads.is_owner = True
        rig.leads.now_s = DUE.timestamp() + timedelta(days=7).total_seconds() + 1
        rig.kept.counted_until = DUE + timedelta(days=7)
        await until(lambda: len(team.took) == 1)
    assert [parcel.report.week for parcel in team.took] == ["2026-W48"]


async def test_it_waits_for_the_week_to_be_counted_and_not_for_ever() -> None:
    team = FakeReports()
    rig = Rig({"team": team}, kept=FakeKept(counted_until=DUE - timedelta(days=1)))
    async with rig.running():
        await until(lambda: rig.kept.opened == 1)
        assert team.tried == 0
        rig.leads.now_s = DUE.timestamp() + 3_601
        await until(lambda: len(team.took) == 1)
    assert any("counts end before the week does" in note.text for note in team.took[0].report.notes)


async def test_a_channel_that_fails_is_tried_again_and_delays_no_other_and_is_told_after_a_while() -> None:
    good, bad = FakeReports(), FakeReports(always=Misconfigured("the key is wrong"))
    rig = Rig({"bad": bad, "good": good})
    async with rig.running():
        await until(lambda: len(good.took) == 1)
        rig.leads.now_s += 1
        await until(lambda: bad.tried >= 2)
        assert rig.alerts == []
        rig.leads.now_s += 3_600
        await until(lambda: rig.alerts == [("report_undelivered", "firing", "bad")])
        bad.always = None
        rig.leads.now_s += 60
        await until(lambda: len(rig.alerts) == 2)
    assert rig.alerts[1] == ("report_undelivered", "resolved", "bad")
    assert len(bad.took) == len(good.took) == 1
    one, two = (Alert.from_bytes(record.value or b"") for record in rig.outbox.published[ALERTS])
    assert one.id == two.id
    assert one.facts["error"] == "the key is wrong"
    assert one.started_at == DUE


async def test_a_channel_that_refuses_it_for_good_is_told_at_once_and_not_asked_again() -> None:
    never = FakeReports(always=Rejected("refused_by_channel", "too large"))
    rig = Rig({"never": never})
    async with rig.running():
        await until(lambda: rig.kept.kept == {("2026-W47", "never"): "refused"})
        await until(lambda: len(rig.alerts) == 1)
    assert never.tried == 1


def later(rig: Rig) -> bool:
    """A second passes."""
    rig.leads.now_s += 1
    return True


async def test_a_defect_and_a_store_that_is_away_end_nothing() -> None:
    odd, team = FakeReports(failures=[ZeroDivisionError()]), FakeReports()
    rig = Rig({"odd": odd, "team": team}, kept=FakeKept(failures=[Retryable("away")]))
    async with rig.running():
        await until(lambda: later(rig) and len(rig.kept.kept) == 2)
    assert len(odd.took) == 1
    assert len(team.took) == 2, "what wasn't kept is sent once more, with the same key"
    assert team.took[0].key == team.took[1].key


async def test_what_arrives_when_the_group_was_left_is_remembered_at_the_time_it_was() -> None:
    rig = Rig({})

    class Leaves(FakeReports):
        async def send(self, parcel: Parcel, /) -> None:
            rig.leads.is_owner = rig.leads.is_live = False
            rig.leads.now_s = 0.0  # a member of no group knows no time
            await super().send(parcel)

    rig.channels["team"] = Leaves()
    async with rig.running():
        await until(lambda: rig.kept.kept)
    assert rig.kept.at == [DUE + timedelta(seconds=60)]


async def test_an_alert_that_kafka_does_not_take_is_told_later_and_the_report_is_not_sent_again() -> None:
    never = FakeReports(always=Rejected("refused_by_channel", "too large"))
    rig = Rig({"never": never}, outbox=FakeOutbox(failures=[Retryable("away")] * 3))
    async with rig.running():
        await until(lambda: len(rig.alerts) == 1)
    assert never.tried == 1
    assert rig.kept.opened == 1
