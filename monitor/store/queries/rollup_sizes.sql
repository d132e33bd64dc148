-- How many rows these quarters are counted from.
SELECT begins_at, count() AS row_count
FROM occurrences
WHERE begins_at IN {quarters:Array(DateTime('UTC'))}
GROUP BY begins_at
