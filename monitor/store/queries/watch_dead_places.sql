-- Places of messages that could not be read, topic/partition/offset, the newest first.
SELECT concat(toString(source_topic), '/', toString(source_partition), '/', toString(source_offset)) AS place
FROM dead_letter_rows
WHERE source_topic = {topic:String}
  AND arrived_at >= {since:DateTime64(6, 'UTC')} AND arrived_at < {until:DateTime64(6, 'UTC')}
GROUP BY source_topic, source_partition, source_offset
ORDER BY max(arrived_at) DESC, source_partition, source_offset
LIMIT {limit:UInt32}
