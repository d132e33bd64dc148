CREATE TABLE IF NOT EXISTS judgement_rows
(
    event_hash                UInt64 MATERIALIZED sipHash64(event_id) COMMENT 'Hash of event_id, first in the order: to find one event, give both.' CODEC(NONE),
    event_id                  String COMMENT 'Id of the exchange, as in verdicts.' CODEC(ZSTD(1)),
    tenant                    LowCardinality(String) COMMENT 'Whose traffic it is.',
    model                     LowCardinality(String) COMMENT 'The model that answered, as the log names it.',
    occurred_at               DateTime64(6, 'UTC') COMMENT 'When the exchange happened, as in verdicts.' CODEC(ZSTD(1)),
    arrived_at                DateTime64(6, 'UTC') COMMENT 'When the broker appended the chat log.' CODEC(ZSTD(1)),
    source_topic              LowCardinality(String) COMMENT 'Topic of the chat log it came from.',
    reason                    LowCardinality(String) COMMENT 'Why it was judged: harmful_not_refused, uncertain (a probability of the guard near its threshold) or sample (drawn from the rest).',
    probability               Float64 COMMENT 'Probability with which the policy has an exchange like this one judged; its weight is the inverse.' CODEC(ZSTD(1)),
    policy                    LowCardinality(String) COMMENT 'Version of that policy.',
    judge_name                LowCardinality(String) COMMENT 'The judge.',
    judge_version             LowCardinality(String) COMMENT 'Its version.',
    rubric_hash               LowCardinality(String) COMMENT 'Hash of all rubrics it used.',
    judged_at                 DateTime64(6, 'UTC') COMMENT 'When it answered.' CODEC(ZSTD(1)),
    status                    LowCardinality(String) COMMENT 'ok, or unknown (the answer could not be read), error (the judge refused this exchange). Estimates use ok alone.',
    category                  LowCardinality(Nullable(String)) COMMENT 'Risk category by the judge (WildGuard''s 13, or benign); NULL where it was not judged.',
    category_probability      Nullable(Float64) COMMENT 'Probability of that category.' CODEC(ZSTD(1)),
    should_refuse             Nullable(Float64) COMMENT 'Probability that the prompt should be refused, judged from the prompt alone.' CODEC(ZSTD(1)),
    refusal_class             LowCardinality(Nullable(String)) COMMENT 'full_compliance, partial, direct_refusal or indirect_refusal.',
    refusal_class_probability Nullable(Float64) COMMENT 'Probability of that class.' CODEC(ZSTD(1)),
    harm_provided             Nullable(Float64) COMMENT 'Probability that the answer gives what harms.' CODEC(ZSTD(1)),
    care_domain               LowCardinality(Nullable(String)) COMMENT 'PsychoSafe''s domain of a refusal; NULL outside of the five.',
    care_refusal              Nullable(Float64) COMMENT 'C1: probability that it refuses.' CODEC(ZSTD(1)),
    care_grounding            Nullable(Float64) COMMENT 'C2, grounding: expectation over 1 to 5.' CODEC(ZSTD(1)),
    care_grounding_spread     Nullable(Float64) COMMENT 'Its standard deviation.' CODEC(ZSTD(1)),
    care_resource             Nullable(Float64) COMMENT 'C3: probability that it names an external resource.' CODEC(ZSTD(1)),
    care_relevance            Nullable(Float64) COMMENT 'C4, relevance: expectation over 1 to 5.' CODEC(ZSTD(1)),
    care_relevance_spread     Nullable(Float64) COMMENT 'Its standard deviation.' CODEC(ZSTD(1)),
    care_overall              Nullable(Float64) COMMENT 'mean(C1, (C2-1)/4, C3, (C4-1)/4), where all four are there.' CODEC(ZSTD(1)),
    care_strategy             LowCardinality(Nullable(String)) COMMENT 'The strategy of the refusal.',
    contacts_verified         Nullable(UInt32) COMMENT 'Contacts in the answer that are on the allow-list.' CODEC(ZSTD(1)),
    contacts_unverified       Nullable(UInt32) COMMENT 'Contacts that are not.' CODEC(ZSTD(1)),
    contacts_wrong_domain     Nullable(UInt32) COMMENT 'Contacts that are on it for another domain.' CODEC(ZSTD(1)),
    is_template               Nullable(Bool) COMMENT 'Whether it is near-identical to another answer of the window.',
    over_intervention         Nullable(Float64) COMMENT 'Probability that it is a care response to a benign prompt.' CODEC(ZSTD(1)),
    truncated                 Bool COMMENT 'Whether the judge saw a shortened text.',
    not_judged                Map(LowCardinality(String), LowCardinality(String)) COMMENT 'Fields that were not judged, each with the reason.' CODEC(ZSTD(1)),
    schema_version            UInt8 COMMENT 'Version of the judgement''s shape.',
    precedence                UInt256 MATERIALIZED
          bitShiftLeft(toUInt256(status = 'ok'), 248)
        + bitShiftLeft(toUInt256(toUInt64(9223372036854775807 - toUnixTimestamp64Micro(arrived_at))), 184)
        + bitShiftLeft(toUInt256(toUInt64(9223372036854775807 - toUnixTimestamp64Micro(judged_at))), 120)
        + toUInt256(cityHash64(
              tenant, model, occurred_at, source_topic, reason, probability, policy, judge_name, judge_version,
              rubric_hash, status, ifNull(category, ''), ifNull(category_probability, -1),
              ifNull(should_refuse, -1), ifNull(refusal_class, ''), ifNull(refusal_class_probability, -1),
              ifNull(harm_provided, -1), ifNull(care_domain, ''), ifNull(care_refusal, -1),
              ifNull(care_grounding, -1), ifNull(care_grounding_spread, -1), ifNull(care_resource, -1),
              ifNull(care_relevance, -1), ifNull(care_relevance_spread, -1), ifNull(care_overall, -1),
              ifNull(care_strategy, ''), ifNull(toFloat64(contacts_verified), -1),
              ifNull(toFloat64(contacts_unverified), -1), ifNull(toFloat64(contacts_wrong_domain), -1),
              ifNull(toInt8(is_template), -1), ifNull(over_intervention, -1), truncated, schema_version,
              toString(not_judged)))
        COMMENT 'Which row of an event counts: the highest. A status of ok comes first, then the earliest arrival, then the earliest judgement, then a hash of the rest of the row, so that no two different rows tie.' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(precedence)
PRIMARY KEY event_hash
ORDER BY (event_hash, event_id)
TTL toDateTime(arrived_at) + INTERVAL 90 DAY
SETTINGS index_granularity = 128, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Every delivery of every judgement, until merges keep the one that counts. Read the view judgements instead.'
