CREATE TABLE IF NOT EXISTS schema_migrations
(
    version    UInt32 COMMENT 'Number of the migration.',
    name       String COMMENT 'Its name.',
    checksum   String COMMENT 'First 16 hexadecimal digits of the SHA-256 of its statement, as it was applied.',
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When.'
)
ENGINE = ReplacingMergeTree
ORDER BY version
COMMENT 'Which migrations have been applied.'
