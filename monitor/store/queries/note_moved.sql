-- Notes which of the events of the rows that were written in [since, until) are in several quarters, with all of these. An insert writes
-- occurrences before event_quarters: what it has not come to yet is taken from the rows of the last minutes.
INSERT INTO moved_events (event_hash, begins_at, arrived_on)
SELECT event_hash, arrayJoin(quarters), last_on
FROM
(
    SELECT event_hash, groupUniqArray(begins_at) AS quarters, max(arrived_on) AS last_on
    FROM
    (
        SELECT event_hash, begins_at, arrived_on FROM event_quarters
        WHERE event_hash IN
        (
            SELECT event_hash FROM occurrences
            WHERE inserted_at >= {since:DateTime64(3, 'UTC')} AND inserted_at < {until:DateTime64(3, 'UTC')}
        )
        UNION ALL
        SELECT event_hash, begins_at, toDate(arrived_at, 'UTC') AS arrived_on FROM occurrences
        WHERE inserted_at >= {since:DateTime64(3, 'UTC')} - INTERVAL 3 MINUTE
    )
    GROUP BY event_hash
    HAVING min(begins_at) < max(begins_at)
)
