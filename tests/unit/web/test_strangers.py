"""Texts of strangers on every page that shows any: what was said, what a guard, a judge, a person or a broken message brought along."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from msgspec.structs import replace

from monitor.adapters.alert_feed import Entry
from schemas.alert_actions import AlertAction
from tests.unit.cli.alerts_fixture import shift
from tests.unit.web.apps import app, client
from tests.unit.web.stores import Comes

HOSTILE = "<img src=x onerror=alert(1)>\"'`{{7*7}}\u202e\x1b[31m"
NOW = datetime(2026, 11, 28, 3, 0, tzinfo=UTC)
WORDS = (
    "event_id tenant_key model_key conversation_id source_topic guard_name guard_version guard_prompt_hash status category_key "
    "sampling_decision judge_decision prompt_excerpt response_excerpt"
)
EVENT: dict[str, object] = {
    **dict.fromkeys(WORDS.split(), HOSTILE),
    **dict.fromkeys(("prompt_harm", "refusal", "response_harm", "category_probability"), 0.5),
    **dict.fromkeys(("prompt_harmful", "refused", "response_harmful", "truncated"), True),
    **dict.fromkeys(("provider_refusal", "content_filtered"), True),
    **dict.fromkeys(("source_partition", "source_offset", "source_index", "calibration_version"), 1),
    **dict.fromkeys(("sampling_probability", "judge_probability"), 1.0),
    **dict.fromkeys(("occurred_at", "arrived_at"), NOW),
    "excerpt_policy": "full",
}
JUDGEMENT: dict[str, object] = {
    **dict.fromkeys(
        ["judge_name", "judge_version", "reason", "status", "refusal_class", "care_domain", "care_strategy"],
        HOSTILE,
    ),
    **dict.fromkeys(["should_refuse", "harm_provided", "care_overall", "over_intervention"], 0.5),
    "judged_at": NOW,
}
COUNTS = (
    "events to_be_scored answered responded refused_n harmless harmless_refused harmful harmful_refused harmful_prompts "
    "harmful_responses"
)


async def test_whatever_strangers_write_stays_text_on_every_page() -> None:
    made = app()
    tile = int(datetime.now(UTC).timestamp() // 3600)
    cell: dict[str, object] = dict.fromkeys(COUNTS.split(), 5)
    made.state.site.store.connect = Comes(
        {
            "dashboard_event": [EVENT],
            "dashboard_judgement": [JUDGEMENT],
            "dashboard_event_ids": [{"event_id": HOSTILE, "event_hash": 1}],
            "dashboard_events_found": [EVENT],
            "dashboard_events_of": [EVENT],
            "dashboard_names": [{"kind": kind, "name": HOSTILE} for kind in ("tenant", "model")],
            "dashboard_names_by_event": [{"kind": kind, "name": HOSTILE} for kind in ("tenant", "model")],
            "dashboard_cells_by_event": [
                {"tile": tile, "model_key": HOSTILE, "category_key": HOSTILE, **cell},
            ],
            "dashboard_letters": [{"reason_key": HOSTILE, "letters": 3, "newest_at": NOW}],
        }
    ).connect
    did = AlertAction(
        alert_id=shift().id, fleet=shift().fleet, verb="mute", by=HOSTILE, note=HOSTILE, until=None
    )
    made.state.site.book._take(Entry(did, 1, NOW.timestamp()))
    made.state.site.book._take(Entry(replace(shift(), remedy=HOSTILE), 2, NOW.timestamp()))
    async with client(made) as web:
        for path, holds in (
            ("/", 4),
            ("/cell", 2),
            ("/events", 6),
            ("/event?id=x", 20),
            (f"/alerts/{shift().id}", 2),
            ("/pipeline", 1),
        ):
            answer = await web.get(path)
            assert (path, answer.status_code) == (path, 200)
            assert answer.text.count("&lt;img src=x") >= holds, path
            shown = re.sub(r'value="[^"]*"', "", answer.text)  # goes back as it came, and is shown to nobody
            for piece in ("<img src=x", "\x1b", "\u202e", ">49<", "\"'`"):
                assert piece not in shown, (path, piece)
