CREATE TABLE IF NOT EXISTS watch_states
(
    fleet      LowCardinality(String) COMMENT 'Prefix of the consumer groups of the fleet that watches.',
    slot       UInt8 COMMENT 'Where it is kept: each slot holds its newest, so that there are always some older ones.',
    position   DateTime64(6, 'UTC') COMMENT 'End of the last window that the state knows of.',
    state      String COMMENT 'The state of the watch, in base64.' CODEC(ZSTD(1)),
    version    LowCardinality(String) COMMENT 'The release that wrote it.',
    written_at DateTime64(6, 'UTC') DEFAULT now64(6) COMMENT 'When it was written, by the server.'
)
ENGINE = ReplacingMergeTree(written_at)
ORDER BY (fleet, slot)
TTL toDateTime(written_at) + INTERVAL 400 DAY
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Checkpoints of the watch over drift: from the newest, and the windows after it, whoever takes over goes on.'
