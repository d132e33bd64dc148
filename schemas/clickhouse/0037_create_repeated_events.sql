CREATE TABLE IF NOT EXISTS repeated_events
(
    counting    UInt64 COMMENT 'Which counting it was found by and is for; random.' CODEC(ZSTD(1)),
    event_hash  UInt64 COMMENT 'Hash of the event''s id, as in verdict_rows.' CODEC(NONE),
    event_check UInt64 COMMENT 'Another hash of the id: both together are one event.' CODEC(NONE),
    precedence  UInt256 COMMENT 'Of its rows the one that counts, as in verdict_rows.' CODEC(ZSTD(1)),
    found_at    DateTime('UTC') DEFAULT now('UTC') COMMENT 'When, by the server.' CODEC(ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (counting, event_hash)
TTL found_at + INTERVAL 1 DAY
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1
COMMENT 'Scratch: of the events with several rows in the quarters of an hour of one counting, the row that counts. All others have one.'
