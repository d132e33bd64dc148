-- How many verdicts' and judgements' rows were written in each second of [since, until), by the server's time, and a number that is another
-- once there are others.
SELECT second, sum(written) AS row_count, sum(print) AS print
FROM
(
    SELECT toStartOfSecond(inserted_at) AS second, count() AS written,
           sum(cityHash64(event_hash, begins_at, source_topic, source_partition, source_offset, source_index, inserted_at)) AS print
    FROM occurrences
    WHERE inserted_at >= {since:DateTime64(3, 'UTC')} AND inserted_at < {until:DateTime64(3, 'UTC')}
    GROUP BY second
    UNION ALL
    SELECT toStartOfSecond(inserted_at) AS second, count() AS written, sum(cityHash64(event_hash, inserted_at)) AS print
    FROM judgement_arrivals
    WHERE inserted_at >= {since:DateTime64(3, 'UTC')} AND inserted_at < {until:DateTime64(3, 'UTC')}
    GROUP BY second
)
GROUP BY second
ORDER BY second
