CREATE MATERIALIZED VIEW IF NOT EXISTS judgement_arrivals_feed TO judgement_arrivals
AS SELECT now64(3, 'UTC') AS inserted_at, event_hash
FROM judgement_rows AS inserted
COMMENT 'Fills judgement_arrivals from every insert into judgement_rows; holds nothing itself.'
