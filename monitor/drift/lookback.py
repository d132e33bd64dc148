"""What a crossing needs of the past to be explained, and the past as arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.drift.baseline import expected, kept, learned
from monitor.drift.detection import Crossing, Detection
from monitor.drift.explanation import Series
from monitor.drift.measures import Measure, k_of_n
from monitor.drift.moments import DAY_US, at_us, us
from monitor.drift.needs import HistoryNeed, Scope
from monitor.drift.streams import FREE, UNKEYED, Ints, StreamKey
from monitor.drift.volume import EXPOSURE_PER_HOUR, exposure
from schemas.windows import Window, WindowCounts

Floats = NDArray[np.float64]

FAR_US: Final = 14 * DAY_US
"""So far back a change of a tenant's model or a part of it is looked for. Slower ones are told as beginning then."""
WIDE_US: Final = DAY_US
"""The same for what is wider, which shifts together: its evidence comes fast."""
CELLS_AT_MOST: Final = 400
"""Of a wider group so many cells are explained, those with the most traffic: those with the most evidence would make the shift
seem larger than it is."""


def need_of(crossing: Crossing, detection: Detection, until: datetime) -> HistoryNeed:
    """The windows that explain `crossing`. A cell is seen within its tenant's model: it may be only the first to tell."""
    key = crossing.key
    rows = rows_of(crossing, detection)
    reset_at = int(detection.streams.reset_at[rows].min()) if rows.size else 0
    is_wide = key.level not in ("cell", "tenant_model")
    far = us(until) - (WIDE_US if is_wide else FAR_US)
    scope = Scope(key.tenant, key.model)
    if is_wide and key.measure is not Measure.MIX:
        scope = key.scope
    return HistoryNeed(scope, at_us(max(reset_at, far)), until)


def rows_of(crossing: Crossing, detection: Detection) -> Ints:
    """The streams that explain it, ascending: the cells of its tenant's model, or the group's; not those of an incident."""
    streams, key = detection.streams, crossing.key
    if key.level != "cell":
        rows = detection.groups.members(detection.groups.rows.index[key], streams.size)
    else:
        row = streams.index[key]
        group = int(detection.groups.of[row, 0])
        rows = np.array([row]) if group < 0 else detection.groups.members(group, streams.size)
    rows = rows[streams.is_armed[rows] & (streams.hold[rows] == FREE)]
    if key.level == "cell":
        rows = np.union1d(rows, [streams.index[key]])
    if rows.size > CELLS_AT_MOST:
        busiest = np.argsort(-streams.lump[rows], kind="stable")[:CELLS_AT_MOST]
        rows = np.sort(rows[busiest])
    return rows


def counts_of(windows: Sequence[Window], keys: Sequence[StreamKey]) -> tuple[Floats, Floats]:
    """`k` of `n`, [T, C], of the streams `keys` of one measure in `windows`."""
    k, n = np.zeros((len(windows), len(keys))), np.zeros((len(windows), len(keys)))
    measure = keys[0].measure
    if measure is Measure.DEAD_LETTERS:
        k[:, 0] = [window.dead_letters for window in windows]
        n[:, 0] = [window.messages for window in windows]
        return k, n
    find = _find(measure)
    columns = {(key.tenant, key.model, key.category, key.watched_by): at for at, key in enumerate(keys)}
    pairs: dict[tuple[str | None, str | None, object], list[int]] = {}
    for at, key in enumerate(keys):
        pairs.setdefault((key.tenant, key.model, key.watched_by), []).append(at)
    for t, window in enumerate(windows):
        if measure is Measure.VOLUME:
            n[t] = exposure((window.ends_at - window.begins_at).total_seconds())
        for row in window.rows:
            found = find(row)
            if measure is Measure.MIX:
                for at in pairs.get((row.tenant, row.model, found[3]), ()):
                    n[t, at] += row.answered
            column = columns.get(found)
            if column is None:
                continue
            if measure is Measure.MIX:
                k[t, column] += row.answered
            elif measure is Measure.VOLUME:
                k[t, column] += row.events
            else:
                part, whole = k_of_n(measure, row)
                k[t, column] += part
                n[t, column] += whole
    return k, n


_Found = tuple[str | None, str | None, str | None, tuple[str, str, str, int] | None]


def _find(measure: Measure) -> Callable[[WindowCounts], _Found]:
    """From a row to the stream of `measure` that it counts for."""

    def found(row: WindowCounts) -> _Found:
        by = (row.guard_name, row.guard_version, row.guard_prompt_hash, row.calibration_version)
        return (
            row.tenant,
            row.model,
            row.category if measure.grain == "category" else None,
            None if measure in UNKEYED else by,
        )

    return found


def series_of(windows: Sequence[Window], rows: Ints, detection: Detection) -> Series:
    """What explains a crossing: the streams `rows`, of one measure, in `windows`, oldest first. What was learned in them is
    taken out of the baseline; a stream's windows before its R was last reset are left out."""
    streams = detection.streams
    keys = [streams.keys[row] for row in rows]
    first = int(streams.reset_at[rows].min())
    windows = [window for window in windows if us(window.begins_at) >= first] or windows[-1:]
    k, n = counts_of(windows, keys)
    begins = np.array([us(window.begins_at) for window in windows], dtype=np.int64)
    ends = np.array([us(window.ends_at) for window in windows], dtype=np.int64)
    is_old = begins[:, None] < streams.reset_at[rows][None, :]
    k[is_old], n[is_old] = 0.0, 0.0
    offset = np.stack([detection.offset(rows, int(at)) for at in (begins + ends) // 2])
    taken_a, taken_b = learned_in(rows, detection, k=k, n=n, offset=offset, ends=ends)
    return Series(
        begins_at=begins,
        ends_at=ends,
        k=k,
        n=n,
        offset=offset,
        a=np.maximum(streams.a[rows] - taken_a, streams.a0[rows]),
        b=np.maximum(streams.b[rows] - taken_b, streams.b0[rows]),
        phi=streams.phi[rows].copy(),
        cells=tuple(key.scope for key in keys),
        unit=EXPOSURE_PER_HOUR if keys[0].measure is Measure.VOLUME else 1.0,
    )


def learned_in(
    rows: Ints, detection: Detection, *, k: Floats, n: Floats, offset: Floats, ends: Ints
) -> tuple[Floats, Floats]:
    """What a and b of streams still hold of buckets that end at `ends` [T], with `k` of `n` and `offset` [T, C]."""
    streams = detection.streams
    part = kept(streams.seen_at[rows][None, :] - ends[:, None], detection.policy.reference_half_life_days)
    part *= ends[:, None] <= streams.learned_to[rows][None, :]
    positive, negative = learned(k, n, a=streams.a[rows], b=streams.b[rows], offset=offset)
    return (positive * part).sum(axis=0), (negative * part).sum(axis=0)


def expected_in(rows: Ints, detection: Detection, *, n: Floats, offset: Floats) -> Floats:
    """How many positives the baseline expects, [T, C]."""
    streams = detection.streams
    return n * expected(streams.a[rows], streams.b[rows], offset)
