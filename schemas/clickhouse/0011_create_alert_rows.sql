CREATE TABLE IF NOT EXISTS alert_rows
(
    id             String COMMENT 'Id of the alert, the same in all its records.' CODEC(ZSTD(1)),
    fleet          LowCardinality(String) COMMENT 'Prefix of the consumer groups that it is about.',
    kind           LowCardinality(String) COMMENT 'What is wrong.',
    severity       LowCardinality(String) COMMENT 'info, warning or critical.',
    state          LowCardinality(String) COMMENT 'firing, stale (no data, which is no end), acknowledged or resolved.',
    started_at     DateTime64(6, 'UTC') COMMENT 'When it began, as far as can be told.',
    at             DateTime64(6, 'UTC') COMMENT 'As of when this record is.',
    ended_at       Nullable(DateTime64(6, 'UTC')) COMMENT 'When it ended; NULL until then.',
    title          String COMMENT 'One sentence.' CODEC(ZSTD(3)),
    place          Map(LowCardinality(String), String) COMMENT 'Where.' CODEC(ZSTD(1)),
    facts          String COMMENT 'Figures, as JSON.' CODEC(ZSTD(3)),
    remedy         String COMMENT 'The next step.' CODEC(ZSTD(3)),
    worker         String COMMENT 'The worker that said it.' CODEC(ZSTD(1)),
    version        LowCardinality(String) COMMENT 'The release that it runs.',
    evidence       String COMMENT 'What a shift rests on, whole, as JSON (schemas/evidence.py); empty for all other kinds.' CODEC(ZSTD(3)),
    schema_version UInt8 COMMENT 'Version of the alert''s shape.',
    appended_at    DateTime64(6, 'UTC') COMMENT 'When the broker appended the record.',
    log_partition  Int32 COMMENT 'Partition of the record.',
    log_offset     Int64 COMMENT 'Offset of the record.'
)
ENGINE = ReplacingMergeTree
ORDER BY (fleet, id, appended_at, log_partition, log_offset)
TTL toDateTime(appended_at) + INTERVAL 400 DAY
SETTINGS index_granularity = 128, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Every record of the alerts topic. Read the view alerts for how each alert stands.'
