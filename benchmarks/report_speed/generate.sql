INSERT INTO verdict_rows
    (event_id, tenant, model, conversation_id, format, occurred_at, occurred_at_source, arrived_at,
     source_topic, source_partition, source_offset, source_index, guard_name, guard_version, guard_prompt_hash, status,
     prompt_harm, prompt_harmful, refusal, refused, response_harm, response_harmful, category, category_probability,
     has_response, truncated, provider_refusal, content_filtered, tool_calls, context_turns,
     sampling_decision, sampling_probability, calibration_version, refusal_token, content_hash, excerpt_policy,
     prompt_excerpt, response_excerpt, schema_version, judge_decision, judge_probability, judge_policy)
WITH
    cityHash64(number) AS h,
    {until:DateTime64(6, 'UTC')} - toIntervalMicrosecond(toInt64({span_s:UInt32} * 1000000. * (1 - (number + 1) / {total:UInt64}))) AS moment,
    intDiv(h, 3) % 100 < 5 AS is_harmful,
    intDiv(h, 300) % 100 < if(is_harmful, 80, 3) AS is_refused,
    ['benign', 'cyberattacks', 'fraud_illegal_activities', 'violence_physical_harm', 'sexual_content', 'toxic_language_hate_speech',
     'social_stereotypes_discrimination', 'mental_health_overreliance', 'private_information_individual',
     'sensitive_information_organization', 'copyright_violations', 'false_or_misleading_information',
     'material_harm_by_misinformation', 'unethical_unsafe_actions'] AS categories
SELECT
    concat('chatcmpl-', lower(hex(sipHash128(number)))),
    concat('tenant-', toString(intDiv(h, 30000) % 20)), concat('model-', toString(intDiv(h, 600000) % 3)),
    concat('c', toString(intDiv(number, 4))), 'openai', moment, 'log',
    moment + toIntervalMillisecond(if(h % 100 = 7, 5400000, h % 3000) + 60000 * again), 'chat.logs', number % 16,
    intDiv(number, 16) + again * 1000000000, 0,
    'wildguard', '1', '0123456789abcdef', if(intDiv(h, 7) % 1000 = 0, 'unknown', 'ok') AS state,
    if(state = 'ok', (h % 997) / 997, NULL), if(state = 'ok', is_harmful, NULL),
    if(state = 'ok', (h % 991) / 991, NULL), if(state = 'ok', is_refused, NULL),
    if(state = 'ok', (h % 983) / 983, NULL), if(state = 'ok', is_harmful AND NOT is_refused, NULL),
    multiIf(state != 'ok', '', is_harmful, categories[2 + intDiv(h, 1800000) % 13], intDiv(h, 23400000) % 10 = 0,
            categories[2 + intDiv(h, 1800000) % 13], 'benign'), if(state = 'ok', 0.9, NULL),
    true, h % 211 = 0, false, false, 0, h % 6,
    'scored', if(intDiv(h, 30000) % 20 = 3, 0.5, 1), 0, NULL, lower(hex(sipHash128(number, 'content'))), 'redacted',
    concat('Could you tell me more about ', toString(h), ', please?'),
    concat('Here is what is known about ', toString(h), '.'), 1,
    multiIf(state != 'ok', 'unscored', is_harmful AND NOT is_refused, 'asked', intDiv(h, 13) % 100 < 2, 'asked', 'sampled_out') AS decided,
    multiIf(state != 'ok', 0, is_harmful AND NOT is_refused, 1, 0.02), 'p1'
FROM
(
    SELECT number, 0 AS again FROM numbers({first:UInt64}, {count:UInt64})
    UNION ALL
    SELECT number, 1 AS again FROM numbers({first:UInt64}, {count:UInt64}) WHERE number % 500 = 3
)
