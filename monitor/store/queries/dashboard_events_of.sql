-- What is stored of these events, by id, newest first.
SELECT
    event_id, toString(tenant) AS tenant_key, toString(model) AS model_key, toString(category) AS category_key, status, refused,
    prompt_harmful, response_harmful, refusal, prompt_harm, response_harm, occurred_at, arrived_at, excerpt_policy,
    prompt_excerpt, response_excerpt
FROM verdict_rows FINAL
PREWHERE event_hash IN (SELECT sipHash64(arrayJoin({ids:Array(String)})))
WHERE event_id IN (SELECT arrayJoin({ids:Array(String)}))
ORDER BY arrived_at DESC, event_id
