CREATE TABLE IF NOT EXISTS audit_states
(
    fleet      LowCardinality(String) COMMENT 'Prefix of the consumer groups of the fleet that audits.',
    target     String COMMENT 'What is audited: digest of model and anchor set; of references the series.',
    number     UInt32 COMMENT 'Steps of a target count from 1; parts of the references of a series from 0.',
    kind       LowCardinality(String) COMMENT 'audit, action (of a person, on an alert), overdue, or references.',
    id         String COMMENT 'Of an audit its id, of references the layer; else empty.',
    series     String COMMENT 'Of an audit its series; empty where it was refused before that was known.',
    at         DateTime64(6, 'UTC') COMMENT 'When it was taken, by the broker.',
    state      String COMMENT 'What is known of the target from this step on, as JSON (monitor/audit/state.py), with what is to be told of it.' CODEC(ZSTD(3)),
    record     String COMMENT 'The record of the audit, as JSON.' CODEC(ZSTD(3)),
    content    String COMMENT 'The draws of the audit, or the reference of a layer, in base64.' CODEC(ZSTD(1)),
    version    LowCardinality(String) COMMENT 'The release that wrote it.',
    write_id   String COMMENT 'Which write the row is of: the first counts.',
    written_at DateTime64(6, 'UTC') DEFAULT now64(6) COMMENT 'When it was written, by the server.'
)
ENGINE = MergeTree
ORDER BY (fleet, target, number, id, written_at, write_id)
TTL toDateTime(written_at) + INTERVAL 800 DAY
SETTINGS index_granularity = 16, fsync_after_insert = 1, fsync_part_directory = 1,
    non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000
COMMENT 'The steps of the audit worker, which never change, each one insert whose token makes the first one count; and the frozen references of each series.'
