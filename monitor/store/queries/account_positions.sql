WITH
    places AS
    (
        SELECT source_offset, source_index, any(event_id) AS event_id, argMax(status, precedence) AS status
        FROM arrivals
        WHERE source_topic = {topic:String} AND source_partition = {partition:Int32}
          AND source_offset >= {from_offset:Int64} AND source_offset < {below_offset:Int64}
        GROUP BY source_offset, source_index
    ),
    kept AS
    (
        SELECT event_id, source_topic, source_partition, source_offset, source_index
        FROM verdict_rows FINAL
        WHERE event_id IN (SELECT event_id FROM places)
    )
SELECT
    count()                                                                     AS positions,
    countIf(is_kept AND status != 'skipped')                             AS stored,
    countIf(is_kept AND status = 'skipped')                              AS sampled_out,
    countIf(NOT is_kept)                                                        AS repeats
FROM
(
    SELECT
        places.status AS status,
        kept.source_topic = {topic:String} AND kept.source_partition = {partition:Int32}
            AND kept.source_offset = places.source_offset AND kept.source_index = places.source_index AS is_kept
    FROM places
    LEFT JOIN kept ON kept.event_id = places.event_id
)
