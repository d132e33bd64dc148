-- One measure over time, layer by layer (empty: all layers and poolings), of the audits of a model on one anchor set that were
-- finished in [since, until), the oldest first.
SELECT
    at, id, series, toString(layer) AS place, value, low, high, p, n,
    before, change_low, change_high, change_p, has_changed,
    baseline, since_low, since_high, since_p, has_changed_since,
    model_version, anchors, toString(begun_by) AS cause
FROM audits
WHERE fleet = {fleet:String} AND model = {model:String} AND anchor_set = {anchor_set:String}
  AND at >= {since:DateTime64(6, 'UTC')} AND at < {until:DateTime64(6, 'UTC')}
  AND measure = {measure:String}
  AND ({layer:String} = '' OR layer = {layer:String})
ORDER BY at, id, layer
