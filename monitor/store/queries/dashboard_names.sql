-- The tenants and models of the closed windows that begin in [since, until), those with most exchanges first; of very many the
-- first ones.
SELECT kind, name, sum(events) AS exchanges
FROM
(
    SELECT tenant, model, events FROM watch_windows
    WHERE fleet = {fleet:String} AND NOT is_total
      AND begins_at >= {since:DateTime64(6, 'UTC')} AND begins_at < {until:DateTime64(6, 'UTC')}
)
ARRAY JOIN ['tenant', 'model'] AS kind, [toString(tenant), toString(model)] AS name
GROUP BY kind, name
ORDER BY kind, exchanges DESC, name
LIMIT {limit:UInt32} BY kind
