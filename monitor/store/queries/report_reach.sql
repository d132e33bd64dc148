-- What quarters rest on: up to which writing they are counted (NULL: never), how many rows were written since, the newest quarter and
-- the newest arrival in it or shortly before.
WITH
    (SELECT argMaxOrNull(until, written_at) FROM rollup_marks WHERE name = 'counted') AS counted,
    (SELECT maxOrNull(begins_at) FROM quarters) AS newest
SELECT
    counted AS computed_until,
    (SELECT count() FROM occurrences WHERE inserted_at >= ifNull(counted, toDateTime64(0, 3, 'UTC'))) AS waiting,
    newest AS newest_quarter,
    (SELECT maxOrNull(arrived_at) FROM occurrences WHERE begins_at >= newest - INTERVAL 6 HOUR) AS newest_arrived_at,
    now64(3, 'UTC') AS now
