CREATE TABLE IF NOT EXISTS audit_records
(
    fleet      LowCardinality(String) COMMENT 'Prefix of the consumer groups of the fleet that audited.',
    id         String COMMENT 'Id of the audit.' CODEC(ZSTD(1)),
    at         DateTime64(6, 'UTC') COMMENT 'When it was finished, by the broker.',
    model      LowCardinality(String) COMMENT 'The audited model, as the chat logs name it.',
    anchor_set LowCardinality(String) COMMENT 'Name of the anchors.',
    series     String COMMENT 'Audits of one series can be compared; empty where it was refused before that was known.' CODEC(ZSTD(1)),
    state      LowCardinality(String) COMMENT 'done or refused.',
    record     String COMMENT 'The whole record, as JSON (schemas/audits.py): values, changes and a picture.' CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree
ORDER BY (fleet, id)
TTL toDateTime(at) + INTERVAL 800 DAY
SETTINGS index_granularity = 64, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Every record of the audits topic, whole. Read it with FINAL: a delivery that is repeated repeats its row.'
