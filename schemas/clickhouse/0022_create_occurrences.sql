CREATE TABLE IF NOT EXISTS occurrences
(
    begins_at            DateTime('UTC') COMMENT 'The quarter of an hour in which the exchange happened: its beginning.' CODEC(Delta(4), ZSTD(1)),
    event_hash           UInt64 COMMENT 'Hash of the event''s id, as in verdict_rows.' CODEC(NONE),
    event_check          UInt64 COMMENT 'Another hash of the id: both together are one event.' CODEC(NONE),
    source_topic         LowCardinality(String) COMMENT 'Topic of the chat log it came from.',
    source_partition     Int32 COMMENT 'Partition of that chat log.' CODEC(T64, ZSTD(1)),
    source_offset        Int64 COMMENT 'Offset of that chat log.' CODEC(T64, ZSTD(1)),
    source_index         Int32 COMMENT 'Which exchange of that chat log, from 0.' CODEC(T64, ZSTD(1)),
    arrived_at           DateTime64(6, 'UTC') COMMENT 'When the broker appended the chat log.' CODEC(T64, ZSTD(1)),
    is_late              Bool COMMENT 'Whether that was more than an hour after it happened.',
    tenant               LowCardinality(String) COMMENT 'Whose traffic it is.',
    model                LowCardinality(String) COMMENT 'The model that answered, as the log names it.',
    category             LowCardinality(String) COMMENT 'Risk category (WildGuard''s 13, or benign); empty unless status is ok.',
    guard_name           LowCardinality(String) COMMENT 'The guard model that gave the verdict.',
    guard_version        LowCardinality(String) COMMENT 'Its version.',
    guard_prompt_hash    LowCardinality(String) COMMENT 'Hash of its prompt template, or of its weights where it has no prompt.',
    calibration_version  Int64 COMMENT 'Version of the thresholds in force; 0 is the settings.' CODEC(T64, ZSTD(1)),
    status               LowCardinality(String) COMMENT 'Status of the verdict: ok, unknown, error or skipped.',
    prompt_harmful       Nullable(Bool) COMMENT 'As in verdicts, as all that follows.',
    refused              Nullable(Bool) COMMENT 'As in verdicts.',
    response_harmful     Nullable(Bool) COMMENT 'As in verdicts.',
    has_response         Bool COMMENT 'As in verdicts.',
    truncated            Bool COMMENT 'As in verdicts.',
    provider_refusal     Bool COMMENT 'As in verdicts.',
    content_filtered     Bool COMMENT 'As in verdicts.',
    sampling_probability Float64 COMMENT 'As in verdicts.' CODEC(ZSTD(1)),
    judge_decision       LowCardinality(String) COMMENT 'As in verdicts.',
    judge_probability    Float64 COMMENT 'As in verdicts.' CODEC(ZSTD(1)),
    precedence           UInt256 COMMENT 'As in verdict_rows: which row of an event counts.' CODEC(ZSTD(1)),
    inserted_at          DateTime64(3, 'UTC') COMMENT 'When the row was written, by the server: finds what is new.' CODEC(Delta(8), ZSTD(1)),
    INDEX by_insertion inserted_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(precedence)
PRIMARY KEY (begins_at, event_hash)
ORDER BY (begins_at, event_hash, event_check, source_topic, source_partition, source_offset, source_index)
TTL toDateTime(arrived_at) + INTERVAL 90 DAY
SETTINGS index_granularity = 2048, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Every place of every exchange, without its texts, in order of when it happened: what the quarters of an hour are counted from.'
