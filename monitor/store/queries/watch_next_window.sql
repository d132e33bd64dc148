-- Where the first window of [since, until) begins; no row where there is none.
SELECT begins_at FROM watch_windows
WHERE fleet = {fleet:String} AND is_total
  AND begins_at >= {since:DateTime64(6, 'UTC')} AND begins_at < {until:DateTime64(6, 'UTC')}
ORDER BY begins_at
LIMIT 1
