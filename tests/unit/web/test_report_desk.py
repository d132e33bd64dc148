"""The weekly report for many who look at once."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest

from monitor.errors import Retryable
from monitor.reporting.building import build
from monitor.reporting.document import Report
from monitor.reporting.weeks import Week
from monitor.web.report_desk import AGAIN_S, FRESH_S, OFFERED, ReportDesk, Tell
from tests.fakes.reporting import facts_of
from tests.waiting import until

WEEK = Week(date(2026, 11, 16), ZoneInfo("UTC"))


class Maker:
    """Makes a report when it is let; counts."""

    def __init__(self) -> None:
        self.asked: list[Week] = []
        self.now_s = 1000.0
        self.steps = 0
        self.trouble: Exception | None = None
        self.may = asyncio.Event()
        self.at_once = self.most_at_once = 0

    async def make(self, week: Week, tell: Tell) -> Report:
        self.asked.append(week)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            tell(3, "alerts")
            await self.may.wait()
            if self.trouble is not None:
                raise self.trouble
            return build(facts_of([]))
        finally:
            self.at_once -= 1

    def step(self) -> None:
        self.steps += 1

    def desk(self) -> ReportDesk:
        return ReportDesk(self.make, self.step, lambda: self.now_s)


async def test_many_who_look_cost_one_report_and_see_how_far_it_is() -> None:
    maker = Maker()
    desk = maker.desk()
    first = desk.look(WEEK)
    assert (first.is_making, first.report) == (True, None)
    await until(lambda: first.doing == "alerts", "the step is told")
    waiting = [asyncio.create_task(desk.file(WEEK, "md")) for _ in range(20)]
    maker.may.set()
    files = await asyncio.gather(*waiting)

    assert len(maker.asked) == 1
    assert len(set(files)) == 1
    assert files[0] is not None
    assert b"Safety report" in files[0]
    assert not desk.look(WEEK).is_making
    await until(lambda: maker.steps == 2, "the end is told")


async def test_an_old_one_is_shown_while_it_is_made_anew_for_late_data() -> None:
    maker = Maker()
    maker.may.set()
    desk = maker.desk()
    await desk.file(WEEK, "json")
    maker.may.clear()
    maker.now_s += FRESH_S + 1

    made = desk.look(WEEK)
    assert made.is_making
    assert made.report is not None
    assert await desk.file(WEEK, "json")
    maker.may.set()
    await until(lambda: not made.is_making, "it is made anew")
    assert len(maker.asked) == 2
    await desk.aclose()


@pytest.mark.parametrize("trouble", [Retryable("ClickHouse doesn't answer"), KeyError("ours")])
async def test_one_that_fails_is_told_and_tried_again_but_not_at_every_look(trouble: Exception) -> None:
    maker = Maker()
    maker.may.set()
    maker.trouble = trouble
    desk = maker.desk()
    assert await desk.file(WEEK, "html") is None
    assert await desk.file(WEEK, "html") is None
    assert len(maker.asked) == 1
    assert desk.look(WEEK).trouble

    maker.trouble = None
    maker.now_s += AGAIN_S + 1
    assert await desk.file(WEEK, "md")
    assert desk.look(WEEK).trouble == ""


async def test_one_is_made_at_a_time_and_so_many_weeks_are_kept() -> None:
    maker = Maker()
    maker.may.set()
    desk = maker.desk()
    for back in range(3 * OFFERED):
        desk.look(WEEK.before(back))
    await until(lambda: len(maker.asked) == OFFERED, "all that are kept are made")

    assert maker.most_at_once == 1
    assert len(desk._made) == OFFERED
    await desk.aclose()


def test_the_last_complete_week_comes_first_and_the_one_that_goes_on_last() -> None:
    names = list(ReportDesk.offered(Week(WEEK.monday + timedelta(days=7), WEEK.zone)))

    assert names[:2] == ["2026-W47", "2026-W46"]
    assert (names[-1], len(names)) == ("2026-W48", OFFERED)
