-- Counts whole quarters of an hour anew, all under one version. Of an event with one row, as nearly all are, that row counts; they are read
-- as they lie. Of one with several, here or in another quarter, the best of all does (find_repeated.sql), and what stands twice goes.
INSERT INTO quarter_rows
    (is_total, begins_at, tenant, model, category, guard_name, guard_version, guard_prompt_hash, calibration_version,
     places, events, late, truncated, provider_refusals, content_filtered, skipped, unknown, errors, to_be_scored,
     answered, responded, refused, harmless, harmless_refused, harmful, harmful_refused, harmful_prompts,
     harmful_responses, judge_asked, judge_sampled_out, judge_unscored, judge_off, judge_expected, refusal_n, refusal_d,
     refusal_w2, refusal_n2, over_refusal_n, over_refusal_d, over_refusal_w2, over_refusal_n2, under_refusal_n,
     under_refusal_d, under_refusal_w2, under_refusal_n2, prompt_harm_n, prompt_harm_d, prompt_harm_w2, prompt_harm_n2,
     response_harm_n, response_harm_d, response_harm_w2, response_harm_n2, first_arrived_at, version, computed_at)
WITH
    (SELECT greatest(toUInt64(toUnixTimestamp64Micro(now64(6))), max(version) + 1) FROM quarter_rows WHERE begins_at IN {quarters:Array(DateTime('UTC'))}) AS next,
    if(sampling_probability > 0, 1 / sampling_probability, 0) AS weight,
    ifNull(prompt_harmful, false) AS is_prompt_harmful,
    ifNull(refused, false) AS is_refused,
    ifNull(response_harmful, false) AS is_response_harmful,
    counts AND status = 'ok' AS is_ok,
    is_ok AND has_response AS is_answered,
    is_answered AND is_prompt_harmful AS is_harmful,
    is_answered AND NOT is_prompt_harmful AS is_harmless
SELECT
    false, begins_at, tenant, model, category, guard_name, guard_version, guard_prompt_hash, calibration_version,
    count(),
    countIf(counts),
    countIf(counts AND is_late),
    countIf(counts AND truncated),
    countIf(counts AND provider_refusal),
    countIf(counts AND content_filtered),
    countIf(counts AND status = 'skipped'),
    countIf(counts AND status = 'unknown'),
    countIf(counts AND status = 'error'),
    countIf(counts AND status != 'skipped'),
    countIf(is_ok),
    countIf(is_answered),
    countIf(is_answered AND is_refused),
    countIf(is_harmless),
    countIf(is_harmless AND is_refused),
    countIf(is_harmful),
    countIf(is_harmful AND is_refused),
    countIf(is_ok AND is_prompt_harmful),
    countIf(is_answered AND is_response_harmful),
    countIf(counts AND judge_decision = 'asked'),
    countIf(counts AND judge_decision = 'sampled_out'),
    countIf(counts AND judge_decision = 'unscored'),
    countIf(counts AND judge_decision = 'off'),
    sumIf(judge_probability, counts),
    sumIf(weight, is_answered AND is_refused),
    sumIf(weight, is_answered),
    sumIf(weight * weight, is_answered),
    sumIf(weight * weight, is_answered AND is_refused),
    sumIf(weight, is_harmless AND is_refused),
    sumIf(weight, is_harmless),
    sumIf(weight * weight, is_harmless),
    sumIf(weight * weight, is_harmless AND is_refused),
    sumIf(weight, is_harmful AND NOT is_refused),
    sumIf(weight, is_harmful),
    sumIf(weight * weight, is_harmful),
    sumIf(weight * weight, is_harmful AND NOT is_refused),
    sumIf(weight, is_ok AND is_prompt_harmful),
    sumIf(weight, is_ok),
    sumIf(weight * weight, is_ok),
    sumIf(weight * weight, is_ok AND is_prompt_harmful),
    sumIf(weight, is_answered AND is_response_harmful),
    sumIf(weight, is_answered),
    sumIf(weight * weight, is_answered),
    sumIf(weight * weight, is_answered AND is_response_harmful),
    NULL, next, now('UTC')
FROM
(
    SELECT begins_at, tenant, model, category, guard_name, guard_version, guard_prompt_hash, calibration_version, is_late, truncated,
           provider_refusal, content_filtered, status, prompt_harmful, refused, response_harmful, has_response, sampling_probability,
           judge_decision, judge_probability, true AS counts
    FROM occurrences
    WHERE begins_at IN {quarters:Array(DateTime('UTC'))}
      AND event_hash NOT IN (SELECT event_hash FROM repeated_events WHERE counting = {counting:UInt64})
    UNION ALL
    SELECT begins_at, tenant, model, category, guard_name, guard_version, guard_prompt_hash, calibration_version, is_late, truncated,
           provider_refusal, content_filtered, status, prompt_harmful, refused, response_harmful, has_response, sampling_probability,
           judge_decision, judge_probability,
           (event_hash, event_check, precedence) IN
               (SELECT event_hash, event_check, precedence FROM repeated_events WHERE counting = {counting:UInt64}) AS counts
    FROM occurrences FINAL
    WHERE begins_at IN {quarters:Array(DateTime('UTC'))}
      AND event_hash IN (SELECT event_hash FROM repeated_events WHERE counting = {counting:UInt64})
)
GROUP BY begins_at, tenant, model, category, guard_name, guard_version, guard_prompt_hash, calibration_version
UNION ALL
SELECT
    true, quarter, '', '', '', '', '', '', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    minOrNull(first_arrival), next, now('UTC')
FROM
(
    SELECT begins_at AS quarter, toNullable(arrived_at) AS first_arrival FROM occurrences WHERE begins_at IN {quarters:Array(DateTime('UTC'))}
    UNION ALL
    SELECT arrayJoin({quarters:Array(DateTime('UTC'))}) AS quarter, NULL AS first_arrival
)
GROUP BY quarter
SETTINGS max_insert_threads = 1, min_insert_block_size_rows = 10000000, min_insert_block_size_bytes = 1073741824, max_block_size = 65536,
    compile_expressions = 0, compile_aggregate_expressions = 0
