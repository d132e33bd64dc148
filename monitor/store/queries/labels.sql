SELECT event_id, status, prompt_harmful, refused, response_harmful, prompt_harm, refusal, response_harm, category
FROM verdicts
WHERE event_id IN ({ids:Array(String)})
