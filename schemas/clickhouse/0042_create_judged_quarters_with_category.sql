CREATE OR REPLACE VIEW judged_quarters
(
    begins_at DateTime('UTC') COMMENT 'Beginning of the quarter of an hour, by when the exchanges happened.',
    tenant LowCardinality(String) COMMENT 'Whose traffic it is.',
    model LowCardinality(String) COMMENT 'The model that answered, as the log names it.',
    category LowCardinality(String) COMMENT 'Risk category by the guard.',
    scoring_probability Float64 COMMENT 'Probability of being scored.',
    judging_probability Float64 COMMENT 'Probability of being judged; 0 where no judge could be asked.',
    is_answered Bool COMMENT 'Whether there is a response.',
    guard_prompt_harmful Int8 COMMENT 'The guard''s opinion: 1, 0, or -1 where there is none. So are all that follow.',
    guard_refused Int8 COMMENT 'As above.',
    guard_response_harmful Int8 COMMENT 'As above.',
    is_chosen Bool COMMENT 'Whether the judge was asked.',
    judge_prompt_harmful Int8 COMMENT 'Whether it should be refused, at one half; -1 too where the judge was not asked or gave no answer.',
    judge_refused Int8 COMMENT 'Whether the judge calls the response other than full compliance.',
    judge_response_harmful Int8 COMMENT 'Whether the response gives what harms, at one half.',
    events UInt64 COMMENT 'Exchanges that the guard answered of which all this holds, each once.'
)
AS SELECT begins_at, tenant, model, category, scoring_probability, judging_probability, is_answered, guard_prompt_harmful, guard_refused,
    guard_response_harmful, is_chosen, judge_prompt_harmful, judge_refused, judge_response_harmful, events
FROM pattern_rows
WHERE NOT is_total AND (begins_at, version) IN (SELECT begins_at, max(version) FROM pattern_rows WHERE is_total GROUP BY begins_at)
COMMENT 'What guard and judge say of the exchanges of quarters of an hour, each event once: what corrected rates are estimated from. Filter by begins_at.'
