-- Dead letters of messages that arrived in [since, until), by reason.
SELECT toString(reason) AS reason_key, count() AS letters, max(arrived_at) AS newest_at
FROM dead_letters
WHERE arrived_at >= {since:DateTime64(6, 'UTC')} AND arrived_at < {until:DateTime64(6, 'UTC')}
GROUP BY reason_key
ORDER BY letters DESC, reason_key
LIMIT 50
