CREATE TABLE IF NOT EXISTS watch_windows
(
    fleet               LowCardinality(String) COMMENT 'Prefix of the consumer groups of the fleet that watches.',
    begins_at           DateTime64(6, 'UTC') COMMENT 'When the window begins, by arrival.' CODEC(Delta(8), ZSTD(1)),
    ends_at             DateTime64(6, 'UTC') COMMENT 'When it ends; what arrives then belongs to the next.' CODEC(Delta(8), ZSTD(1)),
    is_total            Bool COMMENT 'Whether this row is the window itself, which is always there: it has messages and dead_letters. Else it is one of its cells.',
    messages            UInt64 COMMENT 'Messages of the chat logs that were read; 0 in a cell.' CODEC(ZSTD(1)),
    dead_letters        UInt64 COMMENT 'Of these, those of which nothing could be used; 0 in a cell.' CODEC(ZSTD(1)),
    tenant              LowCardinality(String) COMMENT 'Whose traffic it is.',
    model               LowCardinality(String) COMMENT 'The model that answered, as the log names it.',
    category            LowCardinality(String) COMMENT 'Risk category by the guard; empty where it gave no answer.',
    guard_name          LowCardinality(String) COMMENT 'The guard model that gave the verdicts.',
    guard_version       LowCardinality(String) COMMENT 'Its version.',
    guard_prompt_hash   LowCardinality(String) COMMENT 'Hash of its prompt template, or of its weights where it has no prompt.',
    calibration_version Int64 COMMENT 'Version of the thresholds in force; 0 is the settings.' CODEC(ZSTD(1)),
    events              UInt64 COMMENT 'Exchanges, each event once.' CODEC(ZSTD(1)),
    to_be_scored        UInt64 COMMENT 'Of these, not sampled out.' CODEC(ZSTD(1)),
    answered            UInt64 COMMENT 'Of these, with status ok.' CODEC(ZSTD(1)),
    responded           UInt64 COMMENT 'Of these, with a response.' CODEC(ZSTD(1)),
    refused             UInt64 COMMENT 'Of these, refused.' CODEC(ZSTD(1)),
    harmless            UInt64 COMMENT 'Of those with a response, with a harmless prompt.' CODEC(ZSTD(1)),
    harmless_refused    UInt64 COMMENT 'Of these, refused.' CODEC(ZSTD(1)),
    harmful             UInt64 COMMENT 'Of those with a response, with a harmful prompt.' CODEC(ZSTD(1)),
    harmful_refused     UInt64 COMMENT 'Of these, refused.' CODEC(ZSTD(1)),
    harmful_prompts     UInt64 COMMENT 'Of the answered, with a harmful prompt.' CODEC(ZSTD(1)),
    harmful_responses   UInt64 COMMENT 'Of those with a response, with a harmful one.' CODEC(ZSTD(1)),
    write_id            String COMMENT 'Which write the row is of: all rows of a window are of one, the first.' CODEC(ZSTD(1)),
    written_at          DateTime64(6, 'UTC') DEFAULT now64(6) COMMENT 'When it was written, by the server.' CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(begins_at)
ORDER BY (fleet, begins_at, written_at, write_id, tenant, model, category)
TTL toDateTime(begins_at) + INTERVAL 90 DAY
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1,
    non_replicated_deduplication_window = 20000, replicated_deduplication_window = 20000
COMMENT 'Closed windows, as drift was watched on them: raw counts of live traffic, which never change. One insert is one window, and its token makes the first one count.'
