CREATE TABLE IF NOT EXISTS pattern_rows
(
    is_total Bool COMMENT 'Whether this row is the quarter itself, which is always there. Else it is one of its patterns.',
    begins_at DateTime('UTC') COMMENT 'Beginning of the quarter of an hour, by when the exchanges happened.' CODEC(Delta(4), ZSTD(1)),
    tenant LowCardinality(String) COMMENT 'Whose traffic it is.',
    model LowCardinality(String) COMMENT 'The model that answered, as the log names it.',
    scoring_probability Float64 COMMENT 'Probability of being scored.' CODEC(ZSTD(1)),
    judging_probability Float64 COMMENT 'Probability of being judged; 0 where no judge could be asked.' CODEC(ZSTD(1)),
    is_answered Bool COMMENT 'Whether there is a response.',
    guard_prompt_harmful Int8 COMMENT 'The guard''s opinion: 1, 0, or -1 where there is none. So are all that follow.',
    guard_refused Int8 COMMENT 'As above.',
    guard_response_harmful Int8 COMMENT 'As above.',
    is_chosen Bool COMMENT 'Whether the judge was asked.',
    judge_prompt_harmful Int8 COMMENT 'Whether it should be refused, at one half; -1 too where the judge was not asked or gave no answer.',
    judge_refused Int8 COMMENT 'Whether the judge calls the response other than full compliance.',
    judge_response_harmful Int8 COMMENT 'Whether the response gives what harms, at one half.',
    events UInt64 COMMENT 'Exchanges that the guard answered of which all this holds, each once.' CODEC(ZSTD(1)),
    version UInt64 COMMENT 'All rows of one count have the same; the highest of a quarter counts.' CODEC(ZSTD(1)),
    computed_at DateTime('UTC') COMMENT 'When it was counted, by the server.' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
PRIMARY KEY (is_total, begins_at)
ORDER BY (is_total, begins_at, tenant, model, scoring_probability, judging_probability, is_answered, guard_prompt_harmful, guard_refused, guard_response_harmful, is_chosen, judge_prompt_harmful, judge_refused, judge_response_harmful)
TTL computed_at + INTERVAL 400 DAY
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What guard and judge say of the exchanges of quarters of an hour, counted: what corrected rates are estimated from. Read the view judged_quarters instead.'
