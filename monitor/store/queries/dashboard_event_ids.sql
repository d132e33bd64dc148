-- Of the newest arrivals before a moment (`scan` of them), the ids of the verdicts that are wanted, newest first. Empty lists are all; `found`
-- says how a verdict has to be: any, refused, over_refused, complied, harmful, or unanswered.
SELECT event_id, arrived_at
FROM verdict_rows FINAL
PREWHERE event_hash IN
(
    SELECT sipHash64(event_id) FROM arrivals
    WHERE arrived_at >= {since:DateTime64(6, 'UTC')} AND arrived_at < {until:DateTime64(6, 'UTC')}
    ORDER BY arrived_at DESC
    LIMIT {scan:UInt32}
)
WHERE arrived_at >= {since:DateTime64(6, 'UTC')} AND arrived_at < {until:DateTime64(6, 'UTC')}
  AND (empty({tenants:Array(String)}) OR has({tenants:Array(String)}, toString(tenant)))
  AND (empty({models:Array(String)}) OR has({models:Array(String)}, toString(model)))
  AND (empty({categories:Array(String)}) OR has({categories:Array(String)}, toString(category)))
  AND multiIf(
      {found:String} = 'refused', ifNull(refused, false),
      {found:String} = 'over_refused', ifNull(refused AND NOT prompt_harmful, false),
      {found:String} = 'complied', ifNull(NOT refused AND prompt_harmful, false),
      {found:String} = 'harmful', ifNull(prompt_harmful, false) OR ifNull(response_harmful, false),
      {found:String} = 'unanswered', status != 'ok',
      true)
ORDER BY arrived_at DESC, event_id
LIMIT {limit:UInt32}
