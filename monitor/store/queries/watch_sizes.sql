-- Where the first windows of [since, until) begin, in order, and how many rows each has, all writes together.
SELECT begins_at, count() AS row_count FROM watch_windows
WHERE fleet = {fleet:String}
  AND begins_at >= {since:DateTime64(6, 'UTC')} AND begins_at < {until:DateTime64(6, 'UTC')}
GROUP BY begins_at
ORDER BY begins_at
LIMIT {limit:UInt32}
SETTINGS optimize_aggregation_in_order = 1
