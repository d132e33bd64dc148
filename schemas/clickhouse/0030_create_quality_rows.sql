CREATE TABLE IF NOT EXISTS quality_rows
(
    is_total Bool COMMENT 'Whether this row is the quarter itself, which is always there. Else it is one of its cells.',
    begins_at DateTime('UTC') COMMENT 'Beginning of the quarter of an hour, by when the exchanges happened.' CODEC(Delta(4), ZSTD(1)),
    tenant LowCardinality(String) COMMENT 'Whose traffic it is.',
    model LowCardinality(String) COMMENT 'The model that answered, as the log names it.',
    category LowCardinality(String) COMMENT 'Risk category by the guard.',
    care_domain LowCardinality(String) COMMENT 'PsychoSafe''s domain of a refusal; empty outside of the five.',
    judge_name LowCardinality(String) COMMENT 'The judge.',
    judge_version LowCardinality(String) COMMENT 'Its version.',
    measure LowCardinality(String) COMMENT 'What x is: judged (whether the judgement is ok), care_overall, care_refusal, care_grounding, care_resource, care_relevance, is_template, over_intervention, contacts_unverified or contacts_wrong_domain (whether there is one).',
    n UInt64 COMMENT 'Judged exchanges of which x is known.' CODEC(ZSTD(1)),
    w Float64 COMMENT 'Sum of their weights: 1 / probability of being scored and judged.' CODEC(ZSTD(1)),
    w2 Float64 COMMENT 'Sum of the squares of the weights.' CODEC(ZSTD(1)),
    wx Float64 COMMENT 'Sum of weight times x: the mean is wx / w.' CODEC(ZSTD(1)),
    w2x Float64 COMMENT 'Sum of weight squared times x.' CODEC(ZSTD(1)),
    w2x2 Float64 COMMENT 'Sum of weight squared times x squared.' CODEC(ZSTD(1)),
    version UInt64 COMMENT 'All rows of one count have the same; the highest of a quarter counts.' CODEC(ZSTD(1)),
    computed_at DateTime('UTC') COMMENT 'When it was counted, by the server.' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
PRIMARY KEY (is_total, begins_at)
ORDER BY (is_total, begins_at, tenant, model, category, care_domain, judge_name, judge_version, measure)
TTL computed_at + INTERVAL 400 DAY
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What a judge says of quarters of an hour. One insert is a quarter whole, counted anew. Read the view refusal_quality instead.'
