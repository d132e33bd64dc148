-- How far the counts reach: the newest exchange that is counted, and what waits to be.
SELECT
    if(count() > 0, max(arrived_at), NULL)  AS newest_arrived_at,
    if(count() > 0, max(arrived_at), NULL)  AS computed_until,
    if(count() > 0, max(occurred_at), NULL) AS newest_quarter,
    toUInt64(0)                             AS waiting
FROM verdict_rows
