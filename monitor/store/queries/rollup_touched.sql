-- Quarters for which something came with what was written in [since, until): all that a row of these events is in. Not those of which rows
-- have expired, or will within a day: what was counted of them stands.
SELECT DISTINCT begins_at
FROM
(
    SELECT begins_at FROM occurrences
    WHERE inserted_at >= {since:DateTime64(3, 'UTC')} AND inserted_at < {until:DateTime64(3, 'UTC')}
    GROUP BY begins_at
    UNION ALL
    SELECT begins_at FROM moved_events
    WHERE event_hash IN
    (
        SELECT event_hash FROM occurrences
        WHERE inserted_at >= {since:DateTime64(3, 'UTC')} AND inserted_at < {until:DateTime64(3, 'UTC')}
    )
    UNION ALL
    SELECT begins_at FROM event_quarters
    WHERE event_hash IN
    (
        SELECT event_hash FROM judgement_arrivals
        WHERE inserted_at >= {since:DateTime64(3, 'UTC')} AND inserted_at < {until:DateTime64(3, 'UTC')}
    )
)
WHERE begins_at NOT IN
(
    SELECT begins_at FROM quarter_rows
    WHERE is_total
    GROUP BY begins_at
    HAVING argMax(ifNull(first_arrived_at, now64(6)), version) < now() - INTERVAL 89 DAY
)
ORDER BY begins_at
