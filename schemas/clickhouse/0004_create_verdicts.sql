CREATE VIEW IF NOT EXISTS verdicts
AS SELECT
    event_id, tenant, model, conversation_id, format,
    occurred_at, occurred_at_source, arrived_at,
    source_topic, source_partition, source_offset, source_index,
    guard_name, guard_version, guard_prompt_hash, status,
    prompt_harm, prompt_harmful, refusal, refused, response_harm, response_harmful,
    category, category_probability, has_response, truncated, provider_refusal, content_filtered,
    tool_calls, context_turns, sampling_decision, sampling_probability, calibration_version, refusal_token,
    content_hash, excerpt_policy, prompt_excerpt, response_excerpt, schema_version
FROM verdict_rows FINAL
COMMENT 'Every exchange once, with its verdict: what readers use. No FINAL, no grouping needed.'
