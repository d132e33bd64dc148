-- How far quarters are counted, and the server's time. NULL: not yet.
SELECT
    now64(3, 'UTC') AS now,
    (SELECT argMaxOrNull(until, written_at) FROM rollup_marks WHERE name = 'counted') AS counted,
    (SELECT argMaxOrNull(until, written_at) FROM rollup_marks WHERE name = 'filled') AS filled
