-- Stored verdicts that a sample of live anchors may be made of: exchanges of a model (empty: of all) that arrived since then without
-- earlier turns but a system prompt, which the guard saw whole and is sure about; so many of each label, in an order that `seed` alone fixes.
SELECT
    event_id, tenant, conversation_id, assumeNotNull(prompt_harm) AS harm,
    source_topic, source_partition, source_offset, source_index
FROM verdicts
WHERE arrived_at >= {since:DateTime64(6, 'UTC')}
  AND ({model:String} = '' OR model = {model:String})
  AND status = 'ok' AND NOT truncated AND context_turns <= 1
  AND (prompt_harm <= {safe_below:Float64} OR prompt_harm >= {unsafe_from:Float64})
ORDER BY sipHash64({seed:UInt32}, event_id), event_id
LIMIT {each:UInt32} BY harm >= {unsafe_from:Float64}
