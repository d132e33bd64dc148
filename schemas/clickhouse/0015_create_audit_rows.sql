CREATE TABLE IF NOT EXISTS audit_rows
(
    fleet             LowCardinality(String) COMMENT 'Prefix of the consumer groups of the fleet that audited.',
    model             LowCardinality(String) COMMENT 'The audited model, as the chat logs name it.',
    anchor_set        LowCardinality(String) COMMENT 'Name of the anchors.',
    at                DateTime64(6, 'UTC') COMMENT 'When the audit was finished, by the broker.',
    id                String COMMENT 'Id of the audit.' CODEC(ZSTD(1)),
    layer             LowCardinality(String) COMMENT 'The layer, or pooled_ and how the layers were made one; empty in the row of a refused audit.',
    measure           LowCardinality(String) COMMENT 'The measure or variant (monitor/audit/measures.py); empty in the row of a refused audit.',
    value             Nullable(Float64) COMMENT 'Its value; NULL where it is infinite, or there is none.',
    low               Nullable(Float64) COMMENT 'Lower end of its 95 % interval.',
    high              Nullable(Float64) COMMENT 'Upper end of its 95 % interval.',
    p                 Nullable(Float64) COMMENT 'Permutation p-value of: the labels tell nothing.',
    n                 UInt32 COMMENT 'Anchors.',
    before            Nullable(Float64) COMMENT 'J of the previous audit of the series; this and the nine below only in rows of the measure j, NULL in a first audit.',
    change_low        Nullable(Float64) COMMENT 'Lower end of the 95 % interval of the change since then.',
    change_high       Nullable(Float64) COMMENT 'Upper end of it.',
    change_p          Nullable(Float64) COMMENT 'P-value of no change, adjusted for all layers and both comparisons together.',
    has_changed       Nullable(Bool) COMMENT 'Whether that change is significant and large.',
    baseline          Nullable(Float64) COMMENT 'J of the baseline: the first audit of the series, or the one that a person took for normal.',
    since_low         Nullable(Float64) COMMENT 'Lower end of the 95 % interval of the change since the baseline.',
    since_high        Nullable(Float64) COMMENT 'Upper end of it.',
    since_p           Nullable(Float64) COMMENT 'P-value of no change since the baseline, adjusted likewise.',
    has_changed_since Nullable(Bool) COMMENT 'Whether that change is significant and large.',
    series            String COMMENT 'Audits of one series can be compared; empty where it was refused before that was known.' CODEC(ZSTD(1)),
    state             LowCardinality(String) COMMENT 'done or refused.',
    reason            LowCardinality(String) COMMENT 'Why it was refused (docs/audit.md); empty where it was not.',
    begun_by          LowCardinality(String) COMMENT 'schedule or request.',
    is_live           Bool COMMENT 'Whether the anchors are a sample of live traffic.',
    anchors           String COMMENT 'Digest of the anchors, their labels and clusters.' CODEC(ZSTD(1)),
    safe              UInt32 COMMENT 'Safe anchors.',
    unsafe            UInt32 COMMENT 'Unsafe anchors.',
    clusters          UInt32 COMMENT 'Independent ones: matched pairs, conversations.',
    probe_model       LowCardinality(String) COMMENT 'Name of the probe on Triton.',
    model_version     String COMMENT 'The weights that were probed.' CODEC(ZSTD(1)),
    tokenizer_hash    LowCardinality(String) COMMENT 'Hash of the tokenizer.',
    template_hash     LowCardinality(String) COMMENT 'Hash of the chat template; empty for raw text.',
    token_pooling     LowCardinality(String) COMMENT 'Which tokens stand for a text: last or mean.',
    template          LowCardinality(String) COMMENT 'chat or raw.',
    state_projection  LowCardinality(String) COMMENT 'How the states were projected on the server; none.',
    dimensions        UInt32 COMMENT 'Of a state.',
    version           LowCardinality(String) COMMENT 'The release that audited.'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (fleet, model, anchor_set, at, id, layer, measure)
TTL toDateTime(at) + INTERVAL 800 DAY
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Every value of every audit; a delivery that is repeated repeats its rows. Read the view audits instead.'
