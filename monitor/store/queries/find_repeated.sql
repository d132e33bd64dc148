-- Of the events with several rows in these quarters, or with one there and others in other quarters (moved_events), the row that counts: the
-- best of all. The statements of one counting share it; it says nothing of an event with one row, as nearly all are.
INSERT INTO repeated_events (counting, event_hash, event_check, precedence)
SELECT {counting:UInt64}, event_hash, event_check, max(precedence)
FROM occurrences
WHERE (begins_at, event_hash) IN
(
    SELECT begins_at, event_hash FROM occurrences
    WHERE begins_at IN {quarters:Array(DateTime('UTC'))}
    GROUP BY begins_at, event_hash
    HAVING count() > 1
    UNION ALL
    SELECT begins_at, event_hash FROM moved_events
    WHERE event_hash IN (SELECT event_hash FROM moved_events WHERE begins_at IN {quarters:Array(DateTime('UTC'))})
)
GROUP BY event_hash, event_check
SETTINGS optimize_aggregation_in_order = 1
