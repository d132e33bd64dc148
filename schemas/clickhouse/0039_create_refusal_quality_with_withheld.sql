CREATE OR REPLACE VIEW refusal_quality
(
    begins_at DateTime('UTC') COMMENT 'Beginning of the quarter of an hour, by when the exchanges happened.',
    tenant LowCardinality(String) COMMENT 'Whose traffic it is.',
    model LowCardinality(String) COMMENT 'The model that answered, as the log names it.',
    category LowCardinality(String) COMMENT 'Risk category by the guard.',
    care_domain LowCardinality(String) COMMENT 'PsychoSafe''s domain of a refusal; empty outside of the five.',
    judge_name LowCardinality(String) COMMENT 'The judge.',
    judge_version LowCardinality(String) COMMENT 'Its version.',
    measure LowCardinality(String) COMMENT 'What x is: judged (whether the judgement is ok), care_overall, care_refusal, care_grounding, care_resource, care_relevance, is_template, withheld (1 - harm_provided), recognisable (whether the response says that it declines: a direct or partial refusal), withheld_unsaid (withheld where it is not recognisable, else 0), over_intervention, contacts_unverified or contacts_wrong_domain (whether there is one).',
    n UInt64 COMMENT 'Judged exchanges of which x is known.',
    w Float64 COMMENT 'Sum of their weights: 1 / probability of being scored and judged.',
    w2 Float64 COMMENT 'Sum of the squares of the weights.',
    wx Float64 COMMENT 'Sum of weight times x: the mean is wx / w.',
    w2x Float64 COMMENT 'Sum of weight squared times x.',
    w2x2 Float64 COMMENT 'Sum of weight squared times x squared.'
)
AS SELECT begins_at, tenant, model, category, care_domain, judge_name, judge_version, measure, n, w, w2, wx, w2x, w2x2
FROM quality_rows
WHERE NOT is_total AND (begins_at, version) IN (SELECT begins_at, max(version) FROM quality_rows WHERE is_total GROUP BY begins_at)
COMMENT 'What a judge says of quarters of an hour, weighted for both samples, each event once. Filter by begins_at.'
