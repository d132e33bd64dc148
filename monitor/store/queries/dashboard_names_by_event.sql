-- As dashboard_names.sql, but of exchanges that happened in [since, until).
SELECT kind, name, sum(events) AS exchanges
FROM
(
    SELECT tenant, model, events FROM quarters
    WHERE begins_at >= {since:DateTime64(6, 'UTC')} AND begins_at < {until:DateTime64(6, 'UTC')} AND events > 0
)
ARRAY JOIN ['tenant', 'model'] AS kind, [toString(tenant), toString(model)] AS name
GROUP BY kind, name
ORDER BY kind, exchanges DESC, name
LIMIT {limit:UInt32} BY kind
