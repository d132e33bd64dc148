-- Between which moments exchanges of [since, until) lie, by arrival (live traffic of one topic) or by when they happened (all);
-- no row where there are none.
SELECT min(at) AS first, max(at) AS last, count() AS exchanges
FROM
(
    SELECT arrived_at AS at FROM arrivals
    WHERE NOT {by_occurrence:Bool} AND source_topic = {topic:String}
      AND arrived_at >= {since:DateTime64(6, 'UTC')} AND arrived_at < {until:DateTime64(6, 'UTC')}
    UNION ALL
    SELECT occurred_at AS at FROM verdict_rows
    WHERE {by_occurrence:Bool}
      AND occurred_at >= {since:DateTime64(6, 'UTC')} AND occurred_at < {until:DateTime64(6, 'UTC')}
)
HAVING count() > 0
