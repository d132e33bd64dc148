-- The latest verdicts, newest first: of the last ten times `limit` arrivals, those that count (a repeat doesn't).
SELECT
    event_id, tenant, model, category, status, refused, response_harmful, prompt_harmful,
    refusal, response_harm, prompt_harm, occurred_at, arrived_at, prompt_excerpt, response_excerpt
FROM verdict_rows FINAL
PREWHERE event_hash IN
(
    SELECT sipHash64(event_id) FROM arrivals
    WHERE arrived_at >= {since:DateTime64(6, 'UTC')}
    ORDER BY arrived_at DESC
    LIMIT 10 * {limit:UInt32}
)
WHERE arrived_at >= {since:DateTime64(6, 'UTC')}
ORDER BY arrived_at DESC, event_id
LIMIT {limit:UInt32}
