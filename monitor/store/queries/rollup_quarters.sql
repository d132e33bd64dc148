-- Quarters that begin at `since` or later and can be counted again, all of them: those that have rows, or were counted.
SELECT DISTINCT begins_at
FROM
(
    SELECT begins_at FROM occurrences WHERE begins_at >= {since:DateTime('UTC')} GROUP BY begins_at
    UNION ALL
    SELECT begins_at FROM quarter_rows WHERE is_total AND begins_at >= {since:DateTime('UTC')}
)
WHERE begins_at NOT IN
(
    SELECT begins_at FROM quarter_rows
    WHERE is_total
    GROUP BY begins_at
    HAVING argMax(ifNull(first_arrived_at, now64(6)), version) < now() - INTERVAL 89 DAY
)
ORDER BY begins_at
