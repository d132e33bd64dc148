CREATE TABLE IF NOT EXISTS report_deliveries
(
    fleet     LowCardinality(String) COMMENT 'Prefix of the consumer groups of the fleet whose report it is.',
    week      LowCardinality(String) COMMENT 'The ISO week, as 2026-W47.',
    time_zone LowCardinality(String) COMMENT 'By whose clocks.',
    channel   LowCardinality(String) COMMENT 'The channel by its name in the channels file; folder for the folder.',
    outcome   LowCardinality(String) COMMENT 'delivered, or refused: the other side will never take it.',
    at        DateTime64(6, 'UTC') COMMENT 'When.',
    worker    String COMMENT 'The worker that sent it.'
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (fleet, week, time_zone, channel)
TTL toDateTime(at) + INTERVAL 400 DAY
SETTINGS ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Weekly reports that were delivered, by channel: whoever takes over sends none of them again.'
