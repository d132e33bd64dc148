CREATE TABLE IF NOT EXISTS judgement_arrivals
(
    inserted_at DateTime64(3, 'UTC') COMMENT 'When the judgement was written, by the server.' CODEC(Delta(8), ZSTD(1)),
    event_hash  UInt64 COMMENT 'Hash of the event''s id, as in judgement_rows.' CODEC(NONE)
)
ENGINE = MergeTree
ORDER BY inserted_at
TTL toDateTime(inserted_at) + INTERVAL 90 DAY
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Of which events judgements came, in order: says which quarters of an hour to count again. A repeat is here twice, and counts nothing.'
