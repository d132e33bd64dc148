-- As note_moved.sql, of all events whose hash is in [first, last].
INSERT INTO moved_events (event_hash, begins_at, arrived_on)
SELECT event_hash, arrayJoin(quarters), last_on
FROM
(
    SELECT event_hash, groupUniqArray(begins_at) AS quarters, max(arrived_on) AS last_on
    FROM event_quarters
    WHERE event_hash BETWEEN {first:UInt64} AND {last:UInt64}
    GROUP BY event_hash
    HAVING min(begins_at) < max(begins_at)
)
SETTINGS optimize_aggregation_in_order = 1
