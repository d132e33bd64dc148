SELECT
    event_id, tenant, model, category, status, refused, response_harmful, prompt_harmful,
    refusal, response_harm, prompt_harm, occurred_at, arrived_at, prompt_excerpt, response_excerpt
FROM verdicts
WHERE arrived_at >= {since:DateTime64(6, 'UTC')}
ORDER BY arrived_at DESC, event_id
LIMIT {limit:UInt32}
