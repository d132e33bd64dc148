CREATE VIEW IF NOT EXISTS alerts
(
    id             String COMMENT 'Id of the alert, the same in all its records.',
    fleet          LowCardinality(String) COMMENT 'Prefix of the consumer groups that it is about.',
    kind           LowCardinality(String) COMMENT 'What is wrong.',
    severity       LowCardinality(String) COMMENT 'info, warning or critical.',
    state          LowCardinality(String) COMMENT 'firing, stale (no data, which is no end), acknowledged or resolved.',
    started_at     DateTime64(6, 'UTC') COMMENT 'When it began, as far as can be told.',
    at             DateTime64(6, 'UTC') COMMENT 'As of when this record is.',
    ended_at       Nullable(DateTime64(6, 'UTC')) COMMENT 'When it ended; NULL until then.',
    title          String COMMENT 'One sentence.',
    place          Map(LowCardinality(String), String) COMMENT 'Where.',
    facts          String COMMENT 'Figures, as JSON.',
    remedy         String COMMENT 'The next step.',
    worker         String COMMENT 'The worker that said it.',
    version        LowCardinality(String) COMMENT 'The release that it runs.',
    evidence       String COMMENT 'What a shift rests on, whole, as JSON (schemas/evidence.py); empty for all other kinds.',
    schema_version UInt8 COMMENT 'Version of the alert''s shape.',
    appended_at    DateTime64(6, 'UTC') COMMENT 'When the broker appended the record.',
    log_partition  Int32 COMMENT 'Partition of the record.',
    log_offset     Int64 COMMENT 'Offset of the record.'
)
AS SELECT
    id, fleet, kind, severity, state, started_at, at, ended_at, title, place, facts, remedy, worker, version, evidence,
    schema_version, appended_at, log_partition, log_offset
FROM alert_rows
ORDER BY appended_at DESC, log_offset DESC
LIMIT 1 BY fleet, id
COMMENT 'Every alert once, as it stands: its newest record.'
