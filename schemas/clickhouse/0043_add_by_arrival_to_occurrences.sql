ALTER TABLE occurrences
    ADD INDEX IF NOT EXISTS by_arrival arrived_at TYPE minmax GRANULARITY 1
