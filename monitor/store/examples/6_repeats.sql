-- Events that came more than once: the same id at several places of the chat logs. Each counts once in verdicts.
SELECT event_id, count() AS places, min(arrived_at) AS first_seen, max(arrived_at) AS last_seen
FROM arrivals FINAL
GROUP BY event_id
HAVING places > 1
ORDER BY places DESC, event_id
LIMIT 20
