-- Messages of the tiles of [since, until), and those among them of which nothing could be used: each place once.
SELECT tile, count() AS messages, countIf(NOT is_read) AS dead_letters
FROM
(
    SELECT
        intDiv(toUnixTimestamp64Micro(min(arrival)), {tile_us:Int64}) AS tile,
        max(has_exchange)                                            AS is_read
    FROM
    (
        SELECT source_partition, source_offset, arrived_at AS arrival, true AS has_exchange FROM arrivals
        WHERE source_topic = {topic:String}
          AND arrived_at >= {since:DateTime64(6, 'UTC')} AND arrived_at < {until:DateTime64(6, 'UTC')}
        UNION ALL
        SELECT source_partition, source_offset, arrived_at AS arrival, false AS has_exchange FROM dead_letter_rows
        WHERE source_topic = {topic:String}
          AND arrived_at >= {since:DateTime64(6, 'UTC')} AND arrived_at < {until:DateTime64(6, 'UTC')}
    )
    GROUP BY source_partition, source_offset
)
GROUP BY tile
ORDER BY tile
