CREATE VIEW IF NOT EXISTS dead_letters
(
    source_topic     LowCardinality(String) COMMENT 'Topic of the bad message.',
    source_partition Int32 COMMENT 'Its partition.',
    source_offset    Int64 COMMENT 'Its offset.',
    source_index     Int32 COMMENT 'Which exchange of it was bad, from 0; -1 where the whole message was.',
    reason           LowCardinality(String) COMMENT 'Why it can''t be used (docs/formats.md).',
    arrived_at       DateTime64(6, 'UTC') COMMENT 'When the broker appended the bad message.',
    attempts         UInt32 COMMENT 'How often it has been tried, replays counted.',
    origin           String COMMENT 'Where the message stood when it was read first, topic/partition/offset, if it has been sent back since; else empty.',
    version          LowCardinality(String) COMMENT 'The release that refused it.',
    letter           String COMMENT 'Where its dead letter lies, topic/partition/offset: what `watchkeeper dlq` takes.',
    written_at       DateTime64(6, 'UTC') COMMENT 'When the broker appended the dead letter.'
)
AS SELECT
    source_topic, source_partition, source_offset, source_index, reason, arrived_at, attempts, origin, version, letter, written_at
FROM dead_letter_rows FINAL
COMMENT 'Every bad place of the chat logs once: a message, or an exchange of one, that could not be used. One that was sent back and read since is still here.'
