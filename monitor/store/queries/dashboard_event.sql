-- All that is stored of one event.
SELECT
    event_id, toString(tenant) AS tenant_key, toString(model) AS model_key, conversation_id, occurred_at, arrived_at, source_topic,
    source_partition, source_offset, source_index, guard_name, guard_version, guard_prompt_hash, status, prompt_harm,
    prompt_harmful, refusal, refused, response_harm, response_harmful, toString(category) AS category_key, category_probability,
    has_response, truncated, provider_refusal, content_filtered, tool_calls, context_turns, sampling_decision,
    sampling_probability, calibration_version, judge_decision, judge_probability, excerpt_policy, prompt_excerpt, response_excerpt
FROM verdict_rows FINAL
PREWHERE event_hash = sipHash64({id:String})
WHERE event_id = {id:String}
