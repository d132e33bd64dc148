CREATE VIEW IF NOT EXISTS calibrations
(
    fleet             LowCardinality(String) COMMENT 'Prefix of the consumer groups that it is of.',
    model             String COMMENT 'The model whose refusal tokens it is about, as its records name it.',
    version           UInt64 COMMENT 'Counts from 1 within fleet and model.',
    state             LowCardinality(String) COMMENT 'proposed, approved, published, observed, kept or rolled_back.',
    at                DateTime64(6, 'UTC') COMMENT 'When it came into this state.',
    by                String COMMENT 'Who took the step: watchkeeper, or a person.',
    reason            String COMMENT 'Why.',
    tokenizer_hash    String COMMENT 'The tokenizer that its scores are of.',
    template_hash     String COMMENT 'The chat template that its scores are of.',
    rule              LowCardinality(String) COMMENT 'single, category, sum or bias.',
    selected          Array(String) COMMENT 'Refusal tokens that the rule decides about.',
    temperature       Float64 COMMENT 'Temperature of the scores.',
    thresholds        Map(String, Float64) COMMENT 'New thresholds, by selected token for the category rule, else under the empty name.',
    rule_before       LowCardinality(String) COMMENT 'The rule before it; empty where there was none.',
    thresholds_before Map(String, Float64) COMMENT 'Thresholds before it.',
    before_version    UInt64 COMMENT 'The calibration that those are of; 0 for none.',
    published_at      Nullable(DateTime64(6, 'UTC')) COMMENT 'Since when it is in force; NULL until then.',
    outcome           LowCardinality(String) COMMENT 'What the observation said: keep or roll_back; empty until then.',
    evidence          String COMMENT 'What each group''s threshold rests on, as JSON (schemas/calibrations.py).',
    text_bounds       String COMMENT 'Bounds of the refusals in words, as JSON; empty where nothing is known.',
    calls_from        DateTime64(6, 'UTC') COMMENT 'Its first prompt.',
    calls_until       DateTime64(6, 'UTC') COMMENT 'Its last prompt.',
    signed            String COMMENT 'The record as it was, with its signature.',
    schema_version    UInt8 COMMENT 'Version of the calibration''s shape.',
    appended_at       DateTime64(6, 'UTC') COMMENT 'When the broker appended the record.',
    log_partition     Int32 COMMENT 'Partition of the record.',
    log_offset        Int64 COMMENT 'Offset of the record.'
)
AS SELECT
    fleet, model, version, state, at, by, reason, tokenizer_hash, template_hash, rule, selected, temperature, thresholds,
    rule_before, thresholds_before, before_version, published_at, outcome, evidence, text_bounds, calls_from, calls_until,
    signed, schema_version, appended_at, log_partition, log_offset
FROM calibration_rows FINAL
ORDER BY fleet, model, version DESC, state_rank DESC, log_offset ASC
LIMIT 1 BY fleet, model, version
COMMENT 'Every version of every model''s calibration once, as it stands: its record in the furthest state.'
