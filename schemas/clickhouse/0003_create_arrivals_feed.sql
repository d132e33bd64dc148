CREATE MATERIALIZED VIEW IF NOT EXISTS arrivals_feed TO arrivals
AS SELECT source_topic, source_partition, source_offset, source_index, event_id, arrived_at, status, precedence
FROM verdict_rows AS inserted
COMMENT 'Fills arrivals from every insert into verdict_rows; holds nothing itself.'
