-- Refusals of the last 7 days by model and category, where the guard answered.
SELECT model, category, count() AS answered, countIf(refused) AS refusals, round(refusals / answered, 3) AS refusal_rate
FROM verdicts
WHERE arrived_at >= now() - INTERVAL 7 DAY AND status = 'ok' AND has_response
GROUP BY model, category
ORDER BY answered DESC
