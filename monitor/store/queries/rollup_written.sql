-- How many verdicts' and judgements' rows were written in each second of [since, until), by the server's time.
SELECT second, sum(written) AS row_count
FROM
(
    SELECT toStartOfSecond(inserted_at) AS second, count() AS written FROM occurrences
    WHERE inserted_at >= {since:DateTime64(3, 'UTC')} AND inserted_at < {until:DateTime64(3, 'UTC')}
    GROUP BY second
    UNION ALL
    SELECT toStartOfSecond(inserted_at) AS second, count() AS written FROM judgement_arrivals
    WHERE inserted_at >= {since:DateTime64(3, 'UTC')} AND inserted_at < {until:DateTime64(3, 'UTC')}
    GROUP BY second
)
GROUP BY second
ORDER BY second
