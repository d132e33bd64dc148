CREATE MATERIALIZED VIEW IF NOT EXISTS event_quarters_feed TO event_quarters
AS SELECT event_hash, begins_at, toDate(arrived_at, 'UTC') AS arrived_on
FROM occurrences AS inserted
COMMENT 'Fills event_quarters from every insert into occurrences; holds nothing itself.'
