INSERT INTO verdict_rows
    (event_id, tenant, model, conversation_id, format, occurred_at, occurred_at_source, arrived_at,
     source_topic, source_partition, source_offset, source_index, guard_name, guard_version, guard_prompt_hash, status,
     prompt_harm, prompt_harmful, refusal, refused, response_harm, response_harmful, category, category_probability,
     has_response, truncated, provider_refusal, content_filtered, tool_calls, context_turns,
     sampling_decision, sampling_probability, calibration_version, refusal_token, content_hash, excerpt_policy,
     prompt_excerpt, response_excerpt, schema_version)
WITH
    cityHash64(number) AS h,
    {until:DateTime64(6, 'UTC')} - toIntervalMillisecond(toInt64({span_s:UInt32} * 1000. * (1 - (number + 1) / {total:UInt64}))) AS arrival,
    h % 100 < 4 AS is_harmful,
    intDiv(h, 100) % 100 < if(is_harmful, 80, 3) AS is_refused
SELECT
    concat('chatcmpl-', lower(hex(sipHash128(number)))), ['acme', 'globex'][1 + h % 2], concat('model-', toString(intDiv(h, 7) % 5)),
    concat('c', toString(intDiv(number, 4))), 'openai', arrival - toIntervalMillisecond(h % 3000), 'log', arrival,
    'chat.logs', number % 4, intDiv(number, 4), 0, 'guard_lite', '1', '0123456789abcdef', if(h % 1000 = 0, 'unknown', 'ok') AS state,
    if(state = 'ok', (h % 997) / 997, NULL), if(state = 'ok', is_harmful, NULL),
    if(state = 'ok', (h % 991) / 991, NULL), if(state = 'ok', is_refused, NULL),
    if(state = 'ok', (h % 983) / 983, NULL), if(state = 'ok', is_harmful AND NOT is_refused, NULL),
    multiIf(state != 'ok', '', is_harmful, concat('category_', toString(intDiv(h, 11) % 13)), 'benign'), if(state = 'ok', 0.9, NULL),
    true, false, false, false, 0, h % 6,
    'scored', 1, 0, NULL, lower(hex(sipHash128(number, 'content'))), 'redacted',
    concat('Could you tell me more about ', toString(h), ', please? I have been wondering for ', toString(h % 100), ' days.'),
    concat('Here is what is known about ', toString(h), ': it is a number of ', toString(length(toString(h))), ' digits.'), 1
FROM numbers({first:UInt64}, {count:UInt64})
