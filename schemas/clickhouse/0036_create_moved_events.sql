CREATE TABLE IF NOT EXISTS moved_events
(
    event_hash UInt64 COMMENT 'Hash of the event''s id, as in verdict_rows.' CODEC(NONE),
    begins_at  DateTime('UTC') COMMENT 'A quarter of an hour that one of its rows is in, as in event_quarters.' CODEC(ZSTD(1)),
    arrived_on Date COMMENT 'The day on which the last of its rows arrived that were there when this was noted.' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(arrived_on)
ORDER BY (event_hash, begins_at)
TTL arrived_on + INTERVAL 92 DAY
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Of event_quarters the few events whose rows are in several quarters of an hour, noted once as they come: so that a quarter is counted without a look at all events.'
