-- Rows that were stored before `occurrences` was there, or that it has lost: those whose event's hash is in [first, last].
-- A row that is there is replaced by itself.
INSERT INTO occurrences
    (begins_at, event_hash, event_check, source_topic, source_partition, source_offset, source_index, arrived_at, is_late,
     tenant, model, category, guard_name, guard_version, guard_prompt_hash, calibration_version, status, prompt_harmful, refused,
     response_harmful, has_response, truncated, provider_refusal, content_filtered, sampling_probability, judge_decision,
     judge_probability, precedence, inserted_at)
SELECT
    toStartOfFifteenMinutes(toDateTime(occurred_at, 'UTC')) AS begins_at, event_hash, cityHash64(event_id) AS event_check,
    source_topic, source_partition, source_offset, source_index, arrived_at,
    arrived_at > occurred_at + INTERVAL 1 HOUR AS is_late, tenant, model, category, guard_name, guard_version, guard_prompt_hash,
    calibration_version, status, prompt_harmful, refused, response_harmful, has_response, truncated, provider_refusal,
    content_filtered, sampling_probability, judge_decision, judge_probability, precedence, now64(3, 'UTC') AS inserted_at
FROM verdict_rows
WHERE event_hash BETWEEN {first:UInt64} AND {last:UInt64}
