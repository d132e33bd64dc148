-- Counts whole quarters of an hour anew, all under one version. An event counts in the one quarter that its best row is in: where it
-- has rows in several (`event_quarters` says so), the best of all decides.
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
    moved AS
    (
        SELECT event_hash FROM event_quarters
        WHERE event_hash IN (SELECT event_hash FROM occurrences WHERE begins_at IN {quarters:Array(DateTime('UTC'))})
        GROUP BY event_hash
        HAVING min(begins_at) < max(begins_at)
    ),
    best AS
    (
        SELECT event_hash, event_check, max(precedence)
        FROM occurrences
        WHERE (begins_at, event_hash) IN (SELECT begins_at, event_hash FROM event_quarters WHERE event_hash IN (SELECT event_hash FROM moved))
        GROUP BY event_hash, event_check
    ),
    places AS
    (
        SELECT
            begins_at, event_hash, event_check, count() AS place_count, max(precedence) AS highest,
            argMax((tenant, model, category, guard_name, guard_version, guard_prompt_hash, calibration_version), precedence) AS cell,
            argMax((status, prompt_harmful, refused, response_harmful, has_response, truncated, provider_refusal, content_filtered,
                    sampling_probability, judge_decision, judge_probability, is_late), precedence) AS said
        FROM occurrences FINAL
        WHERE begins_at IN {quarters:Array(DateTime('UTC'))}
        GROUP BY begins_at, event_hash, event_check
    ),
    events AS
    (
        SELECT
            begins_at AS quarter, cell, place_count,
            event_hash NOT IN (SELECT event_hash FROM moved) OR (event_hash, event_check, highest) IN (SELECT * FROM best) AS counts,
            said.1 AS verdict_status, ifNull(said.2, false) AS is_prompt_harmful, ifNull(said.3, false) AS is_refused,
            ifNull(said.4, false) AS is_response_harmful, said.6 AS is_truncated, said.7 AS is_provider_refusal,
            said.8 AS is_content_filtered, if(said.9 > 0, 1 / said.9, 0) AS weight, said.10 AS decision, said.11 AS asked_with,
            said.12 AS is_late, counts AND verdict_status = 'ok' AS is_ok, is_ok AND said.5 AS is_answered,
            is_answered AND is_prompt_harmful AS is_harmful, is_answered AND NOT is_prompt_harmful AS is_harmless
        FROM places
    )
SELECT
    false, quarter, cell.1 AS key1, cell.2 AS key2, cell.3 AS key3, cell.4 AS key4, cell.5 AS key5, cell.6 AS key6, cell.7 AS key7,
    sum(place_count) AS places_,
    countIf(counts) AS events_,
    countIf(counts AND is_late) AS late_,
    countIf(counts AND is_truncated) AS truncated_,
    countIf(counts AND is_provider_refusal) AS provider_refusals_,
    countIf(counts AND is_content_filtered) AS content_filtered_,
    countIf(counts AND verdict_status = 'skipped') AS skipped_,
    countIf(counts AND verdict_status = 'unknown') AS unknown_,
    countIf(counts AND verdict_status = 'error') AS errors_,
    countIf(counts AND verdict_status != 'skipped') AS to_be_scored_,
    countIf(is_ok) AS answered_,
    countIf(is_answered) AS responded_,
    countIf(is_answered AND is_refused) AS refused_,
    countIf(is_harmless) AS harmless_,
    countIf(is_harmless AND is_refused) AS harmless_refused_,
    countIf(is_harmful) AS harmful_,
    countIf(is_harmful AND is_refused) AS harmful_refused_,
    countIf(is_ok AND is_prompt_harmful) AS harmful_prompts_,
    countIf(is_answered AND is_response_harmful) AS harmful_responses_,
    countIf(counts AND decision = 'asked') AS judge_asked_,
    countIf(counts AND decision = 'sampled_out') AS judge_sampled_out_,
    countIf(counts AND decision = 'unscored') AS judge_unscored_,
    countIf(counts AND decision = 'off') AS judge_off_,
    sumIf(asked_with, counts) AS judge_expected_,
    sumIf(weight, is_answered AND is_refused) AS refusal_n_,
    sumIf(weight, is_answered) AS refusal_d_,
    sumIf(weight * weight, is_answered) AS refusal_w2_,
    sumIf(weight * weight, is_answered AND is_refused) AS refusal_n2_,
    sumIf(weight, is_harmless AND is_refused) AS over_refusal_n_,
    sumIf(weight, is_harmless) AS over_refusal_d_,
    sumIf(weight * weight, is_harmless) AS over_refusal_w2_,
    sumIf(weight * weight, is_harmless AND is_refused) AS over_refusal_n2_,
    sumIf(weight, is_harmful AND NOT is_refused) AS under_refusal_n_,
    sumIf(weight, is_harmful) AS under_refusal_d_,
    sumIf(weight * weight, is_harmful) AS under_refusal_w2_,
    sumIf(weight * weight, is_harmful AND NOT is_refused) AS under_refusal_n2_,
    sumIf(weight, is_ok AND is_prompt_harmful) AS prompt_harm_n_,
    sumIf(weight, is_ok) AS prompt_harm_d_,
    sumIf(weight * weight, is_ok) AS prompt_harm_w2_,
    sumIf(weight * weight, is_ok AND is_prompt_harmful) AS prompt_harm_n2_,
    sumIf(weight, is_answered AND is_response_harmful) AS response_harm_n_,
    sumIf(weight, is_answered) AS response_harm_d_,
    sumIf(weight * weight, is_answered) AS response_harm_w2_,
    sumIf(weight * weight, is_answered AND is_response_harmful) AS response_harm_n2_,
    NULL, next, now('UTC')
FROM events
GROUP BY quarter, key1, key2, key3, key4, key5, key6, key7
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
SETTINGS max_insert_threads = 1, min_insert_block_size_rows = 10000000, min_insert_block_size_bytes = 1073741824, max_block_size = 1000000
