ALTER TABLE verdict_rows
    ADD COLUMN IF NOT EXISTS judge_decision LowCardinality(String) DEFAULT 'off' COMMENT 'asked, or why no judge is: sampled_out (not drawn), unscored (the guard gave no answer), off (nobody judges).' AFTER response_excerpt,
    ADD COLUMN IF NOT EXISTS judge_probability Float64 DEFAULT 0 COMMENT 'Probability with which the policy has an exchange like this one judged, drawn or not; 0 where it is unscored, or judging is off.' CODEC(ZSTD(1)) AFTER judge_decision,
    ADD COLUMN IF NOT EXISTS judge_policy LowCardinality(String) DEFAULT '' COMMENT 'Version of that policy; empty where judging is off.' AFTER judge_probability,
    -- A row without a policy keeps the precedence that it had before there were any: also one that is delivered again.
    MODIFY COLUMN precedence UInt256 MATERIALIZED
        bitShiftLeft(toUInt256(status = 'ok'), 248)
        + bitShiftLeft(toUInt256(toUInt64(9223372036854775807 - toUnixTimestamp64Micro(arrived_at))), 184)
        + bitShiftLeft(toUInt256(toUInt32(2147483647 - source_partition)), 152)
        + bitShiftLeft(toUInt256(toUInt64(9223372036854775807 - source_offset)), 88)
        + bitShiftLeft(toUInt256(toUInt32(16777215 - least(source_index, 16777215))), 64)
        + toUInt256(if(judge_policy = '',
              cityHash64(
                    tenant, model, conversation_id, format, occurred_at, occurred_at_source, source_topic, source_index,
                    guard_name, guard_version, guard_prompt_hash, status, category,
                    ifNull(prompt_harm, -1), ifNull(refusal, -1), ifNull(response_harm, -1), ifNull(category_probability, -1),
                    ifNull(toInt8(prompt_harmful), -1), ifNull(toInt8(refused), -1), ifNull(toInt8(response_harmful), -1),
                    has_response, truncated, provider_refusal, content_filtered, tool_calls, context_turns,
                    sampling_decision, sampling_probability, calibration_version, ifNull(refusal_token, ''),
                    content_hash, excerpt_policy, prompt_excerpt, response_excerpt, schema_version),
              cityHash64(
                    tenant, model, conversation_id, format, occurred_at, occurred_at_source, source_topic, source_index,
                    guard_name, guard_version, guard_prompt_hash, status, category,
                    ifNull(prompt_harm, -1), ifNull(refusal, -1), ifNull(response_harm, -1), ifNull(category_probability, -1),
                    ifNull(toInt8(prompt_harmful), -1), ifNull(toInt8(refused), -1), ifNull(toInt8(response_harmful), -1),
                    has_response, truncated, provider_refusal, content_filtered, tool_calls, context_turns,
                    sampling_decision, sampling_probability, calibration_version, ifNull(refusal_token, ''),
                    content_hash, excerpt_policy, prompt_excerpt, response_excerpt, schema_version,
                    judge_decision, judge_probability, judge_policy)))
        COMMENT 'Which row of an event counts: the highest. A status of ok comes first, then the earliest arrival, then the lowest partition, offset and index, then a hash of the rest of the row, so that no two different rows tie.' CODEC(ZSTD(1))
