-- How far quarters are counted in this way, and the server's time. NULL: not yet. `stored`: rows of verdicts, each delivery.
SELECT
    now64(3, 'UTC') AS now,
    (SELECT count() FROM verdict_rows) AS stored,
    (SELECT argMaxOrNull(until, written_at) FROM rollup_marks WHERE name = 'counted' AND way = {way:UInt16}) AS counted,
    (SELECT argMaxOrNull(until, written_at) FROM rollup_marks WHERE name = 'filled') AS filled
