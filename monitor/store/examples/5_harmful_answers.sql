-- The latest harmful answers with their excerpts, and where to find the chat log.
SELECT arrived_at, tenant, model, category, round(response_harm, 3) AS harm, prompt_excerpt, response_excerpt, source_topic, source_partition, source_offset
FROM verdicts
WHERE response_harmful AND arrived_at >= now() - INTERVAL 1 DAY
ORDER BY arrived_at DESC
LIMIT 20
