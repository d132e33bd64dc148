-- Audits of a fleet that were finished in [since, until), the newest first; empty texts stand for all.
SELECT id, at, toString(model) AS model_key, toString(anchor_set) AS set_key, series, toString(state) AS outcome, record
FROM audit_records FINAL
WHERE fleet = {fleet:String}
  AND at >= {since:DateTime64(6, 'UTC')} AND at < {until:DateTime64(6, 'UTC')}
  AND ({model:String} = '' OR model = {model:String})
  AND ({anchor_set:String} = '' OR anchor_set = {anchor_set:String})
ORDER BY at DESC, id
LIMIT {limit:UInt32}
