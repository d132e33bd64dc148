CREATE TABLE IF NOT EXISTS dead_letter_rows
(
    source_topic     LowCardinality(String) COMMENT 'Topic of the bad message.',
    source_partition Int32 COMMENT 'Its partition.' CODEC(ZSTD(1)),
    source_offset    Int64 COMMENT 'Its offset.' CODEC(Delta(8), ZSTD(1)),
    source_index     Int32 COMMENT 'Which exchange of it was bad, from 0; -1 where the whole message was.' CODEC(ZSTD(1)),
    reason           LowCardinality(String) COMMENT 'Why it can''t be used (docs/formats.md).',
    arrived_at       DateTime64(6, 'UTC') COMMENT 'When the broker appended the bad message.' CODEC(Delta(8), ZSTD(1)),
    attempts         UInt32 COMMENT 'How often it has been tried, replays counted.' CODEC(ZSTD(1)),
    origin           String COMMENT 'Where the message stood when it was read first, topic/partition/offset, if it has been sent back since; else empty.' CODEC(ZSTD(1)),
    version          LowCardinality(String) COMMENT 'The release that refused it.',
    letter           String COMMENT 'Where its dead letter lies, topic/partition/offset: what `watchkeeper dlq` takes.' CODEC(ZSTD(1)),
    written_at       DateTime64(6, 'UTC') COMMENT 'When the broker appended the dead letter.' CODEC(ZSTD(1)),
    INDEX by_arrival arrived_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(written_at)
PARTITION BY toYYYYMM(arrived_at)
ORDER BY (source_topic, source_partition, source_offset, source_index)
TTL toDateTime(arrived_at) + INTERVAL 400 DAY
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Every delivery of every dead letter of the chat logs, without its message. Read the view dead_letters instead.'
