CREATE TABLE IF NOT EXISTS calibration_rows
(
    fleet             LowCardinality(String) COMMENT 'Prefix of the consumer groups that it is of.',
    model             String COMMENT 'The model whose refusal tokens it is about, as its records name it.' CODEC(ZSTD(1)),
    version           UInt64 COMMENT 'Counts from 1 within fleet and model.',
    state             LowCardinality(String) COMMENT 'proposed, approved, published, observed, kept or rolled_back.',
    state_rank        UInt8 COMMENT 'The place of the state in that order, from 1.',
    at                DateTime64(6, 'UTC') COMMENT 'When it came into this state.',
    by                String COMMENT 'Who took the step: watchkeeper, or a person.' CODEC(ZSTD(1)),
    reason            String COMMENT 'Why.' CODEC(ZSTD(3)),
    tokenizer_hash    String COMMENT 'The tokenizer that its scores are of.' CODEC(ZSTD(1)),
    template_hash     String COMMENT 'The chat template that its scores are of.' CODEC(ZSTD(1)),
    rule              LowCardinality(String) COMMENT 'single, category, sum or bias.',
    selected          Array(String) COMMENT 'Refusal tokens that the rule decides about.' CODEC(ZSTD(1)),
    temperature       Float64 COMMENT 'Temperature of the scores.',
    thresholds        Map(String, Float64) COMMENT 'New thresholds, by selected token for the category rule, else under the empty name.' CODEC(ZSTD(1)),
    rule_before       LowCardinality(String) COMMENT 'The rule before it; empty where there was none.',
    thresholds_before Map(String, Float64) COMMENT 'Thresholds before it.' CODEC(ZSTD(1)),
    before_version    UInt64 COMMENT 'The calibration that those are of; 0 for none.',
    published_at      Nullable(DateTime64(6, 'UTC')) COMMENT 'Since when it is in force; NULL until then.',
    outcome           LowCardinality(String) COMMENT 'What the observation said: keep or roll_back; empty until then.',
    evidence          String COMMENT 'What each group''s threshold rests on, as JSON (schemas/calibrations.py).' CODEC(ZSTD(3)),
    text_bounds       String COMMENT 'Bounds of the refusals in words, as JSON; empty where nothing is known.' CODEC(ZSTD(3)),
    calls_from        DateTime64(6, 'UTC') COMMENT 'Its first prompt.',
    calls_until       DateTime64(6, 'UTC') COMMENT 'Its last prompt.',
    signed            String COMMENT 'The record as it was, with its signature.' CODEC(ZSTD(3)),
    schema_version    UInt8 COMMENT 'Version of the calibration''s shape.',
    appended_at       DateTime64(6, 'UTC') COMMENT 'When the broker appended the record.',
    log_partition     Int32 COMMENT 'Partition of the record.',
    log_offset        Int64 COMMENT 'Offset of the record.',
    earliness         UInt64 MATERIALIZED 9223372036854775807 - toUInt64(log_offset) COMMENT 'Highest for the record that stands first in its log.'
)
ENGINE = ReplacingMergeTree(earliness)
ORDER BY (fleet, model, version, state_rank, at)
SETTINGS index_granularity = 128, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Every verified record of the calibrations topic. Read the view calibrations for how each version stands.'
