-- One event by its id. The hash finds it without reading the table; the id makes sure.
SELECT *
FROM verdicts
WHERE event_hash = sipHash64('chatcmpl-1') AND event_id = 'chatcmpl-1'
