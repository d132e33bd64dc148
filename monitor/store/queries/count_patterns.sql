-- What guard and judge say of whole quarters of an hour, counted anew, all under one version: of the events that count in them
-- (count_quarters.sql) those that the guard answered, as judged_patterns.sql has it. -1: no opinion.
INSERT INTO pattern_rows
    (is_total, begins_at, tenant, model, category, scoring_probability, judging_probability, is_answered, guard_prompt_harmful, guard_refused,
     guard_response_harmful, is_chosen, judge_prompt_harmful, judge_refused, judge_response_harmful, events, version, computed_at)
WITH
    (SELECT greatest(toUInt64(toUnixTimestamp64Micro(now64(6))), max(version) + 1) FROM pattern_rows WHERE begins_at IN {quarters:Array(DateTime('UTC'))}) AS next,
    judged AS
    (
        SELECT event_hash, cityHash64(event_id) AS event_check, ifNull(toInt8(should_refuse >= 0.5), -1) AS judge_harmful,
               ifNull(toInt8(refusal_class != 'full_compliance'), -1) AS judge_refusal, ifNull(toInt8(harm_provided >= 0.5), -1) AS judge_harm,
               true AS is_judged
        FROM judgement_rows FINAL
        PREWHERE event_hash IN (SELECT event_hash FROM occurrences WHERE begins_at IN {quarters:Array(DateTime('UTC'))} AND judge_decision = 'asked')
        WHERE status = 'ok'
    )
SELECT
    false, o.begins_at, o.tenant, o.model, o.category, o.sampling_probability, o.judge_probability, o.has_response,
    ifNull(toInt8(o.prompt_harmful), -1) AS guard1, ifNull(toInt8(o.refused), -1) AS guard2, ifNull(toInt8(o.response_harmful), -1) AS guard3,
    o.judge_decision = 'asked' AS was_asked,
    if(was_asked AND j.is_judged, j.judge_harmful, -1) AS judge1,
    if(was_asked AND j.is_judged, j.judge_refusal, -1) AS judge2,
    if(was_asked AND j.is_judged, j.judge_harm, -1) AS judge3,
    count(), next, now('UTC')
FROM
(
    SELECT begins_at, event_hash, event_check, tenant, model, category, sampling_probability, judge_probability, has_response, prompt_harmful,
           refused, response_harmful, judge_decision
    FROM occurrences
    WHERE begins_at IN {quarters:Array(DateTime('UTC'))} AND status = 'ok' AND sampling_probability > 0
      AND event_hash NOT IN (SELECT event_hash FROM repeated_events WHERE counting = {counting:UInt64})
    UNION ALL
    SELECT begins_at, event_hash, event_check, tenant, model, category, sampling_probability, judge_probability, has_response, prompt_harmful,
           refused, response_harmful, judge_decision
    FROM occurrences FINAL
    WHERE begins_at IN {quarters:Array(DateTime('UTC'))} AND status = 'ok' AND sampling_probability > 0
      AND (event_hash, event_check, precedence) IN
          (SELECT event_hash, event_check, precedence FROM repeated_events WHERE counting = {counting:UInt64})
) AS o
LEFT JOIN judged AS j ON o.event_hash = j.event_hash AND o.event_check = j.event_check
GROUP BY o.begins_at, o.tenant, o.model, o.category, o.sampling_probability, o.judge_probability, o.has_response, guard1, guard2, guard3, was_asked,
    judge1, judge2, judge3
UNION ALL
SELECT true, arrayJoin({quarters:Array(DateTime('UTC'))}), '', '', '', 0, 0, false, 0, 0, 0, false, 0, 0, 0, 0, next, now('UTC')
SETTINGS max_insert_threads = 1, min_insert_block_size_rows = 10000000, min_insert_block_size_bytes = 1073741824, max_block_size = 65536,
    compile_expressions = 0, compile_aggregate_expressions = 0, join_use_nulls = 0
