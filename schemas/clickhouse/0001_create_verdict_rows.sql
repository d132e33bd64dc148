CREATE TABLE IF NOT EXISTS verdict_rows
(
    event_hash           UInt64 MATERIALIZED sipHash64(event_id) COMMENT 'Hash of event_id, first in the order: to find one event, give both.' CODEC(NONE),
    event_id             String COMMENT 'Id of the exchange: the source''s own, or topic-partition-offset[-index] where it has none.' CODEC(ZSTD(1)),
    tenant               LowCardinality(String) COMMENT 'Whose traffic it is.',
    model                LowCardinality(String) COMMENT 'The model that answered, as the log names it.',
    conversation_id      String COMMENT 'The conversation the exchange belongs to; empty where the log names none.' CODEC(ZSTD(1)),
    format               LowCardinality(String) COMMENT 'The chat-log format it came in: openai, litellm, otel or watchkeeper.',
    occurred_at          DateTime64(6, 'UTC') COMMENT 'When the exchange happened, by the log.' CODEC(ZSTD(1)),
    occurred_at_source   LowCardinality(String) COMMENT 'log, or arrival where the log names no time or an impossible one: occurred_at is then arrived_at.',
    arrived_at           DateTime64(6, 'UTC') COMMENT 'When the broker appended the chat log. Windows are by this time: it is never late.' CODEC(ZSTD(1)),
    source_topic         LowCardinality(String) COMMENT 'Topic of the chat log it came from.',
    source_partition     Int32 COMMENT 'Partition of that chat log.' CODEC(ZSTD(1)),
    source_offset        Int64 COMMENT 'Offset of that chat log.' CODEC(ZSTD(1)),
    source_index         Int32 COMMENT 'Which exchange of that chat log, from 0.' CODEC(ZSTD(1)),
    guard_name           LowCardinality(String) COMMENT 'The guard model that gave the verdict.',
    guard_version        LowCardinality(String) COMMENT 'Its version.',
    guard_prompt_hash    LowCardinality(String) COMMENT 'Hash of its prompt template, or of its weights where it has no prompt.',
    status               LowCardinality(String) COMMENT 'ok, or unknown (the answer could not be read), error (the guard refused this exchange), skipped (sampled out). Rates use ok alone; unknown is never safe.',
    prompt_harm          Nullable(Float64) COMMENT 'Probability that the prompt is harmful; NULL unless status is ok.' CODEC(ZSTD(1)),
    prompt_harmful       Nullable(Bool) COMMENT 'Whether that is at or above the threshold.',
    refusal              Nullable(Float64) COMMENT 'Probability that the response is a refusal; NULL without a response.' CODEC(ZSTD(1)),
    refused              Nullable(Bool) COMMENT 'Whether that is at or above the threshold.',
    response_harm        Nullable(Float64) COMMENT 'Probability that the response is harmful; NULL without a response.' CODEC(ZSTD(1)),
    response_harmful     Nullable(Bool) COMMENT 'Whether that is at or above the threshold.',
    category             LowCardinality(String) COMMENT 'Risk category (WildGuard''s 13, or benign); empty unless status is ok.',
    category_probability Nullable(Float64) COMMENT 'Probability of that category.' CODEC(ZSTD(1)),
    has_response         Bool COMMENT 'Whether the log holds a response (an empty one counts).',
    truncated            Bool COMMENT 'Whether the guard saw a shortened text.',
    provider_refusal     Bool COMMENT 'Whether the provider itself marked the answer as a refusal.',
    content_filtered     Bool COMMENT 'Whether the provider''s content filter stopped it.',
    tool_calls           UInt32 COMMENT 'Number of tool calls in the answer.',
    context_turns        UInt32 COMMENT 'Number of earlier turns kept as context.',
    sampling_decision    LowCardinality(String) COMMENT 'scored, or sampled_out.',
    sampling_probability Float64 COMMENT 'Probability with which the exchange was scored; its weight is the inverse.' CODEC(ZSTD(1)),
    calibration_version  Int64 COMMENT 'Version of the thresholds in force; 0 is the settings.' CODEC(ZSTD(1)),
    refusal_token        Nullable(String) COMMENT 'What the serving side logged of its refusal token, as JSON; NULL where it logged none.' CODEC(ZSTD(3)),
    content_hash         String COMMENT 'Keyed hash of prompt and response.' CODEC(ZSTD(1)),
    excerpt_policy       LowCardinality(String) COMMENT 'What the excerpts may hold: none, redacted or full.',
    prompt_excerpt       String COMMENT 'Bounded excerpt of the prompt, by the policy.' CODEC(ZSTD(3)),
    response_excerpt     String COMMENT 'Bounded excerpt of the response, by the policy.' CODEC(ZSTD(3)),
    schema_version       UInt8 COMMENT 'Version of the verdict''s shape.',
    precedence           UInt256 MATERIALIZED
          bitShiftLeft(toUInt256(status = 'ok'), 248)
        + bitShiftLeft(toUInt256(toUInt64(9223372036854775807 - toUnixTimestamp64Micro(arrived_at))), 184)
        + bitShiftLeft(toUInt256(toUInt32(2147483647 - source_partition)), 152)
        + bitShiftLeft(toUInt256(toUInt64(9223372036854775807 - source_offset)), 88)
        + bitShiftLeft(toUInt256(toUInt32(16777215 - least(source_index, 16777215))), 64)
        + toUInt256(cityHash64(
              tenant, model, conversation_id, format, occurred_at, occurred_at_source, source_topic, source_index,
              guard_name, guard_version, guard_prompt_hash, status, category,
              ifNull(prompt_harm, -1), ifNull(refusal, -1), ifNull(response_harm, -1), ifNull(category_probability, -1),
              ifNull(toInt8(prompt_harmful), -1), ifNull(toInt8(refused), -1), ifNull(toInt8(response_harmful), -1),
              has_response, truncated, provider_refusal, content_filtered, tool_calls, context_turns,
              sampling_decision, sampling_probability, calibration_version, ifNull(refusal_token, ''),
              content_hash, excerpt_policy, prompt_excerpt, response_excerpt, schema_version))
        COMMENT 'Which row of an event counts: the highest. A status of ok comes first, then the earliest arrival, then the lowest partition, offset and index, then a hash of the rest of the row, so that no two different rows tie.' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(precedence)
PRIMARY KEY event_hash
ORDER BY (event_hash, event_id)
TTL toDateTime(arrived_at) + INTERVAL 90 DAY
SETTINGS index_granularity = 128, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Every delivery of every verdict, until merges keep the one that counts. Read the view verdicts instead.'
