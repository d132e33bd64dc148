-- Arrivals by second of the last 15 minutes: reads that part of the table alone.
SELECT toStartOfSecond(arrived_at) AS second, count() AS arrivals
FROM arrivals
WHERE arrived_at >= now() - INTERVAL 15 MINUTE
GROUP BY second
ORDER BY second
