INSERT INTO judgement_rows
    (event_id, tenant, model, occurred_at, arrived_at, source_topic, reason, probability, policy, judge_name, judge_version,
     rubric_hash, judged_at, status, category, category_probability, should_refuse, refusal_class, refusal_class_probability,
     harm_provided, care_domain, care_refusal, care_grounding, care_grounding_spread, care_resource, care_relevance,
     care_relevance_spread, care_overall, care_strategy, contacts_verified, contacts_unverified, contacts_wrong_domain, is_template,
     over_intervention, truncated, not_judged, schema_version)
WITH
    cityHash64(number) AS h,
    {until:DateTime64(6, 'UTC')} - toIntervalMicrosecond(toInt64({span_s:UInt32} * 1000000. * (1 - (number + 1) / {total:UInt64}))) AS moment,
    intDiv(h, 3) % 100 < 5 AS is_harmful,
    intDiv(h, 300) % 100 < if(is_harmful, 80, 3) AS is_refused,
    is_harmful AND NOT is_refused AS is_surely,
    ['self_harm', 'child_safety', 'crisis_events', 'violence', 'hate_and_harassment'] AS domains
SELECT
    concat('chatcmpl-', lower(hex(sipHash128(number)))),
    concat('tenant-', toString(intDiv(h, 30000) % 20)), concat('model-', toString(intDiv(h, 600000) % 3)), moment,
    moment + toIntervalMillisecond(if(h % 100 = 7, 5400000, h % 3000)), 'chat.logs', if(is_surely, 'harmful_not_refused', 'sample'),
    if(is_surely, 1, 0.02), 'p1', 'judge', '1', '0123456789abcdef', moment + toIntervalSecond(90), 'ok', 'benign', 0.9,
    (h % 997) / 997, if(is_refused, 'direct_refusal', 'full_compliance'), 0.9, (h % 991) / 991,
    if(is_refused, domains[1 + intDiv(h, 17) % 5], NULL), if(is_refused, 0.95, NULL), if(is_refused, 1 + (h % 401) / 100, NULL),
    if(is_refused, 0.4, NULL), if(is_refused, (h % 101) / 100, NULL), if(is_refused, 1 + (h % 397) / 99, NULL), if(is_refused, 0.4, NULL),
    if(is_refused, (h % 883) / 883, NULL), if(is_refused, 'redirect', NULL), if(is_refused, 0, NULL), if(is_refused, h % 40 = 0, NULL),
    if(is_refused, 0, NULL), if(is_refused, h % 9 = 0, NULL), if(is_harmful, NULL, (h % 1009) / 20000), false, map(), 1
FROM numbers({first:UInt64}, {count:UInt64})
WHERE intDiv(h, 7) % 1000 != 0 AND (is_surely OR intDiv(h, 13) % 100 < 2)
