CREATE TABLE IF NOT EXISTS arrivals
(
    source_topic     LowCardinality(String) COMMENT 'Topic of the chat log.',
    source_partition Int32 COMMENT 'Partition of the chat log.' CODEC(ZSTD(1)),
    source_offset    Int64 COMMENT 'Offset of the chat log.' CODEC(Delta(8), ZSTD(1)),
    source_index     Int32 COMMENT 'Which exchange of that chat log, from 0.' CODEC(ZSTD(1)),
    event_id         String COMMENT 'Id of the exchange; the same one at two places is a producer''s repeat.' CODEC(ZSTD(1)),
    arrived_at       DateTime64(6, 'UTC') COMMENT 'When the broker appended the chat log.' CODEC(Delta(8), ZSTD(1)),
    status           LowCardinality(String) COMMENT 'Status of the verdict: ok, unknown, error or skipped.',
    precedence       UInt256 COMMENT 'As in verdict_rows.' CODEC(ZSTD(1)),
    INDEX by_arrival arrived_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(precedence)
PARTITION BY toYYYYMM(arrived_at)
ORDER BY (source_topic, source_partition, source_offset, source_index, event_id)
TTL toDateTime(arrived_at) + INTERVAL 400 DAY
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Where each exchange stood in the chat logs: one row a place, in order of arrival. Proves that nothing is lost, and finds the events of a time window.'
