-- Exchanges of one partition's offsets [from_offset, below_offset): each place once, however often it was stored.
-- A place is a repeat where its event counts at another place. That is known while verdicts are kept (90 days).
WITH now64(6) - INTERVAL 89 DAY AS kept_since
SELECT
    places.positions                                            AS positions,
    positions - repeats - sampled_out                           AS stored,
    places.skipped_before + kept.skipped                        AS sampled_out,
    toUInt64(greatest(toInt64(places.recent) - toInt64(kept.events), 0)) AS repeats
FROM
(
    SELECT
        count()                                                 AS positions,
        countIf(arrival >= kept_since)                          AS recent,
        countIf(arrival < kept_since AND last_status = 'skipped') AS skipped_before
    FROM
    (
        SELECT min(arrived_at) AS arrival, argMax(status, precedence) AS last_status
        FROM arrivals
        WHERE source_topic = {topic:String} AND source_partition = {partition:Int32}
          AND source_offset >= {from_offset:Int64} AND source_offset < {below_offset:Int64}
        GROUP BY source_offset, source_index
    )
) AS places
CROSS JOIN
(
    SELECT count() AS events, countIf(status = 'skipped') AS skipped
    FROM verdict_rows FINAL
    WHERE source_topic = {topic:String} AND source_partition = {partition:Int32}
      AND source_offset >= {from_offset:Int64} AND source_offset < {below_offset:Int64}
      AND arrived_at >= kept_since
) AS kept
SETTINGS optimize_aggregation_in_order = 1
