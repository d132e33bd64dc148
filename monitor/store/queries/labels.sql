-- What is stored of these events, by id.
SELECT event_id, status, prompt_harmful, refused, response_harmful, prompt_harm, refusal, response_harm, category
FROM verdict_rows FINAL
PREWHERE event_hash IN (SELECT sipHash64(arrayJoin({ids:Array(String)})))
WHERE event_id IN (SELECT arrayJoin({ids:Array(String)}))
ORDER BY event_id
