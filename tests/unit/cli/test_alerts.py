"""Alerts as people see them and act on them: listed, explained, found by the beginning of an id."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from monitor.alerts.log import Mute
from monitor.cli.alert_explained import explained
from monitor.cli.alert_show import alert_document
from monitor.cli.alerts_view import MOST_SHOWN, alert_line, alert_text, alerts_view
from monitor.cli.rate_plot import HEIGHT, rate_plot
from schemas.alerts import Alert, Severity, Source, State
from schemas.evidence import (
    Direction,
    DriftEvidence,
    Interval,
    MixSplit,
    Planning,
    Point,
    Stratum,
    WatchedBy,
)
from tests.unit.cli.alerts_fixture import (
    CHANGED_AT,
    NOTICED_AT,
    NOW,
    done,
    evidence,
    log,
    series,
    shift,
    stalled,
)
from tests.unit.cli.rendering import rendered

HOSTILE = "\x1b[31mred\u202e\u200b\n[bold]x[/bold]"


def test_no_alert_is_good_news() -> None:
    assert rendered(alerts_view(log(), NOW), 60) == "No alert fires."


def test_alerts_are_listed_with_ids_states_and_remedies() -> None:
    muted = stalled(id="ab" * 16)
    shown = log(
        shift(),
        muted,
        shift(state="stale", id="cd" * 16),
        shift(state="acknowledged", id="ef" * 16, ended_at=NOW - timedelta(minutes=2)),
        shift(state="resolved", id="01" * 16, ended_at=NOW - timedelta(minutes=2)),
        actions=(done(muted, "mute", until=NOW + timedelta(hours=2)),),
        unreadable=3,
    )
    assert (
        rendered(alerts_view(shown, NOW), 200)
        == """\
! db3b9cf5  rate_shift  for 12 min  refusal of northwind · atlas-mini · benign rose from 5.2 % to 21.3 %
  → see what changed at 12:00:00 UTC: a prompt, a model, a customer
✗ abababab  worker_stalled  for 12 min  muted until 03-03 14:13  moderation has made no progress in partitions 0-3 of chat.logs for 42 s, waiting for the guard
  → see whether Triton answers and what it is busy with: `watchkeeper check`
! cdcdcdcd  rate_shift  for 12 min, no data since 12:01:35  refusal of northwind · atlas-mini · benign rose from 5.2 % to 21.3 %
  → see what changed at 12:00:00 UTC: a prompt, a model, a customer
✓ efefefef  rate_shift  acknowledged after 10 min, 2 min ago  refusal of northwind · atlas-mini · benign rose from 5.2 % to 21.3 %
✓ 01010101  rate_shift  over after 10 min, 2 min ago  refusal of northwind · atlas-mini · benign rose from 5.2 % to 21.3 %
3 records can't be read by this release: a newer one wrote them. Update this one to see them.
2 alerts firing, 1 without data.  `watchkeeper alerts show ID` explains one."""
    )


def test_of_ten_thousand_alerts_those_that_go_on_come_first_and_the_rest_is_counted() -> None:
    over = [shift(state="resolved", id=f"{n:032x}", ended_at=NOW) for n in range(9_999)]
    shown = rendered(alerts_view(log(shift(), *over), NOW), 100)
    assert shown.startswith("! db3b9cf5")
    assert f"… and {10_000 - MOST_SHOWN:,} more; --json has all of them." in shown
    assert f"{9_998:032x}"[:8] in shown


def test_a_shift_is_explained_at_60_columns() -> None:
    assert (
        rendered(explained(shift(), NOW, 60), 60)
        == """\
! rate_shift  warning, firing for 12 min
refusal of northwind · atlas-mini · benign rose from 5.2 %
to 21.3 %

what      refused, of all that has a response
where     tenant northwind, model atlas-mini, category
          benign
before    5.2 % (4.5 % to 5.9 %)
after     21.3 % (18.6 % to 24.3 %)
change    +16.1 points (+13.3 to +19.1)
          odds × 4.9 (3.9 to 6.2)
counted   172 of 803 since the change; 41.7 were to be
          expected
since     2026-03-03 12:00:00 UTC
          95 %: 2026-03-03 11:59:53 UTC to 2026-03-03
          12:00:04 UTC
noticed   2026-03-03 12:01:35 UTC, 95 s after it began
evidence  12.3 × the threshold that a budget of 2 false
          alarms a month sets
id        db3b9cf5a0039077b832ab990862e27c

refusal over time (UTC)
30.3 % ┤                    ││││││││
       │                    ││││││││
       │                    ●●│●●│●●
       │                    ││●││●││
15.2 % ┤│  │  │  │  │  │  │ ││││││││
       │││││││││││││││││││││
       │●│●●│●●│●●│●●│●●│●●│
       │╌●╌╌●╌╌●╌╌●╌╌●╌╌●╌╌●╌╌╌╌╌╌╌╌
   0 % ┤
       └────────────────────▲───────
        11:56:12        12:00:00
        ● observed  │ 95 % interval  ╌ expected  ▲ change

Contributing cells
   cell                          counted  expected  evidence
●  northwind · atlas-mini ·      172/803      41.7     121.4
   benign
○  northwind · atlas-mini ·        31/40      30.2     -0.41
   cyberattacks
● affected: told with at most 5 % false ones (e-BH).

mix          +16.0 points within the classes, +0.13 points
             because classes come more or less often
also seen    over refusal of northwind · atlas-mini · benign
planning     at 4,100 a day a shift of the odds is noticed:
             × 1.5 in 30 h, × 2 in 9 h, × 3 in 3 h, × 0.5 in
             21 h
watched by   guard_lite 1, thresholds of the settings
for example  chatcmpl-1f  chatcmpl-2a

The rows
  SELECT *
  FROM verdicts
  WHERE tenant = 'northwind'

→ see what changed at 12:00:00 UTC: a prompt, a model, a
customer
  `watchkeeper alerts ack db3b9cf5`: this level is normal
from now on; `resolve`: the old one is."""
    )


def test_an_alert_about_the_stream_is_explained_by_its_facts() -> None:
    shown = rendered(explained(stalled(), NOW, 80), 80)
    assert "topic       chat.logs" in shown
    assert "waits for   the guard" in shown
    assert "observed" not in shown
    assert "alerts ack" not in shown


def test_what_people_did_is_told() -> None:
    alert = shift(state="acknowledged", ended_at=NOTICED_AT + timedelta(minutes=5))
    shown = rendered(
        explained(
            alert,
            NOW,
            100,
            actions=(
                done(alert, "mute", until=NOW, note="maintenance"),
                done(alert, "acknowledge", after_s=300, note=HOSTILE),
            ),
        ),
        100,
    )
    assert "2026-03-03 12:02:35 UTC  muted until 2026-03-03 12:13:35 UTC by ada: maintenance" in shown
    assert "2026-03-03 12:06:35 UTC  acknowledged by ada" in shown
    assert "✓ rate_shift  acknowledged after 5 min, 7 min ago" in shown
    assert "\x1b" not in shown
    assert "→" not in shown


def test_hostile_names_are_shown_as_what_they_are_everywhere() -> None:
    place = {"measure": "refusal", "tenant": HOSTILE, "model": HOSTILE, "category": HOSTILE}
    strata = [
        Stratum(
            tenant=HOSTILE,
            model=HOSTILE,
            category=HOSTILE,
            k=1,
            n=2,
            expected=1,
            evidence=3,
            is_affected=True,
        )
    ]
    given = evidence(
        strata=strata,
        event_ids=[HOSTILE],
        query=HOSTILE,
        also=[place],
        watched_by=WatchedBy(HOSTILE, HOSTILE, HOSTILE, 1),
    )
    alert = shift(
        id=HOSTILE,
        kind=HOSTILE,
        title=HOSTILE,
        remedy=HOSTILE,
        place=place,
        drift=given,
        source=Source(HOSTILE, HOSTILE),
    )
    for width in (40, 60, 120):
        for view in (
            explained(alert, NOW, width),
            alerts_view(log(alert, stalled(facts={HOSTILE: HOSTILE})), NOW),
        ):
            shown = rendered(view, width)
            assert not set(shown) & set("\x1b\u202e\u200b")
            assert "[bold]x[/bold]" in shown.replace("\n", "") or width == 40


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 100, 120, 200])
def test_no_line_of_an_explanation_is_wider_than_the_terminal(width: int) -> None:
    for alert in (shift(), stalled(), shift(drift=evidence(series=series(40, 20)))):
        shown = rendered(explained(alert, NOW, width, mute=Mute(None)), width)
        assert max(map(len, shown.splitlines())) <= width


def test_volume_is_told_in_exchanges_an_hour() -> None:
    given = evidence(
        measure="volume",
        rate_before=Interval(1200.0, 1100.0, 1300.0),
        rate_after=Interval(300.0, 250.0, 350.0),
        rate_change=Interval(-900.0, -1000.0, -800.0),
        series=[
            Point(CHANGED_AT + timedelta(hours=n), 1200.0 if n < 1 else 300.0, 1.0, 1200.0)
            for n in range(-8, 4)
        ],
    )
    shown = rendered(explained(shift(kind="volume_shift", drift=given), NOW, 80), 80)
    assert "1,200 an hour (1,100 to 1,300)" in shown
    assert "−900 an hour (−1,000 to −800)" in shown
    assert "95 % interval" not in shown


def test_the_measure_of_a_newer_release_is_shown_by_its_name() -> None:
    assert "something_new" in rendered(explained(shift(drift=evidence(measure="something_new")), NOW, 80), 80)


# --- the plot


def plot(points: list[Point], width: int = 60) -> list[str]:
    return [line.plain for line in rate_plot(points, CHANGED_AT, width, label=lambda value: f"{value:.2f}")]


def test_a_plot_of_nothing_is_nothing() -> None:
    assert plot([]) == []
    assert plot([Point(CHANGED_AT, 0.0, 0.0, 0.0)]) == []
    assert plot([Point(CHANGED_AT, math.nan, 1.0, 0.0)]) == []


def test_more_points_than_columns_are_put_together() -> None:
    lines = plot(series(600, 300), width=50)
    assert max(map(len, lines)) <= 50
    assert sum("●" in line for line in lines[:HEIGHT]) >= 2


def test_a_stretch_without_data_is_a_gap() -> None:
    points = [*series(5, 0), Point(CHANGED_AT + timedelta(seconds=12), 0.0, 0.0, 0.0), *series(0, 0)]
    assert "╌" in "".join(plot(points))


def test_the_change_is_marked_below_the_first_stretch_that_ends_after_it() -> None:
    lines = plot(series(20, 8), width=40)
    place = lines[HEIGHT].index("▲")
    assert [line[place] for line in lines[:HEIGHT] if line[place] == "●"] == ["●"]
    assert "12:00:00" in lines[HEIGHT + 1]


def test_a_rate_that_is_far_from_nought_has_an_axis_that_begins_above_it() -> None:
    points = [Point(CHANGED_AT + timedelta(seconds=n), 900.0 - n, 1_000.0, 900.0) for n in range(20)]
    assert float(plot(points)[HEIGHT - 1].split()[0]) > 0.5


# --- JSON


def test_the_list_in_json_says_whether_an_alert_is_muted() -> None:
    line = alert_line(shift(), Mute(NOW)).model_dump(mode="json")
    assert (line["muted"], line["muted_until"], line["state"]) == (True, "2026-03-03T12:13:35Z", "firing")
    assert alert_line(shift(state="stale")).state == "stale"


def test_an_explanation_in_json_holds_all_of_the_evidence() -> None:
    alert = shift()
    document = alert_document(alert, log(alert, actions=(done(alert, "mute"),)), NOW).model_dump(mode="json")
    assert document["drift"]["odds_ratio"] == {"value": 4.94, "low": 3.9, "high": 6.2}
    assert document["drift"]["strata"][0]["is_affected"] is True
    assert document["drift"]["planning"]["noticed_after_h"]["x2"] == 9.4
    assert set(document["drift"]) == set(DriftEvidence.__struct_fields__)
    assert [action["verb"] for action in document["actions"]] == ["mute"]
    assert alert_document(stalled(), log(), NOW).drift is None


# --- any valid alert

moments = st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
floats = st.floats(allow_nan=False, allow_infinity=False)
intervals = st.builds(Interval, floats, floats, floats)
names = st.text(max_size=30)
places = st.dictionaries(st.sampled_from(["measure", "tenant", "model", "category", "role"]), names)
evidences = st.builds(
    DriftEvidence,
    measure=st.sampled_from(["refusal", "volume", "mix", "coverage", "dead_letters"]) | names,
    direction=st.sampled_from(["up", "down"]),
    window_begins_at=moments,
    window_ends_at=moments,
    k=floats,
    n=floats,
    expected=floats,
    crossing=floats,
    changed_at=moments,
    changed_from=moments,
    changed_until=moments,
    odds_ratio=intervals,
    rate_before=intervals,
    rate_after=intervals,
    rate_change=intervals,
    strata=st.lists(
        st.builds(
            Stratum,
            tenant=names,
            model=names,
            category=names,
            k=floats,
            n=floats,
            expected=floats,
            evidence=floats,
            is_affected=st.booleans(),
        ),
        max_size=15,
    ),
    mix=st.none() | st.builds(MixSplit, floats, floats),
    also=st.lists(st.dictionaries(names, names, max_size=3), max_size=3),
    event_ids=st.lists(names, max_size=3),
    query=names,
    series=st.lists(st.builds(Point, moments, floats, floats, floats), max_size=60),
    planning=st.none() | st.builds(Planning, floats, st.dictionaries(names, floats, max_size=3)),
    watched_by=st.builds(WatchedBy, names, names, names, st.integers(0, 9)),
    budget_per_month=floats,
    level=st.integers(0, 5),
)
alerts = st.builds(
    Alert,
    id=names,
    fleet=names,
    kind=names,
    severity=st.sampled_from(["info", "warning", "critical"]),
    state=st.sampled_from(["firing", "stale", "acknowledged", "resolved"]),
    started_at=moments,
    at=moments,
    ended_at=st.none() | moments,
    title=names,
    place=places,
    facts=st.dictionaries(names, floats | names, max_size=4),
    remedy=names,
    source=st.builds(Source, names, names),
    drift=st.none() | evidences,
)


@settings(deadline=None, max_examples=60)
@given(alerts, st.integers(20, 140))
def test_any_valid_alert_is_shown_and_printed(alert: Alert, width: int) -> None:
    known = Alert.from_bytes(alert.to_bytes())
    shown = rendered(explained(known, NOW, width), width)
    assert max(map(cell_len, shown.splitlines())) <= width
    assert not any(ord(char) < 32 for char in shown.replace("\n", ""))
    assert isinstance(alert_text(known, NOW), Text)
    assert json.loads(json.dumps(alert_document(known, log(known), NOW).model_dump(mode="json")))


def test_the_states_and_severities_that_are_drawn_are_all_there_are() -> None:
    assert set(get_args(State)) == {"firing", "stale", "acknowledged", "resolved"}
    assert set(get_args(Severity)) == {"info", "warning", "critical"}
    assert set(get_args(Direction)) == {"up", "down"}
