CREATE TABLE IF NOT EXISTS rollup_marks
(
    name       LowCardinality(String) COMMENT 'filled: rows from before there were quarters are copied. counted: what was written before `until` is counted.',
    until      DateTime64(3, 'UTC') COMMENT 'Up to which writing, by the server''s time.',
    written_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this was noted, by the server.'
)
ENGINE = ReplacingMergeTree(written_at)
ORDER BY name
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'How far quarters of an hour are counted.'
