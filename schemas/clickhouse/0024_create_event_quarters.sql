CREATE TABLE IF NOT EXISTS event_quarters
(
    event_hash UInt64 COMMENT 'Hash of the event''s id, as in verdict_rows.' CODEC(NONE),
    begins_at  DateTime('UTC') COMMENT 'A quarter of an hour that one of its rows is in.' CODEC(ZSTD(1)),
    arrived_on Date COMMENT 'The day on which that row arrived.' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(arrived_on)
ORDER BY (event_hash, begins_at)
TTL arrived_on + INTERVAL 92 DAY
SETTINGS index_granularity = 256, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Which quarters of an hour an event''s rows are in, also those that no longer count: what has to be counted again when one comes to count.'
