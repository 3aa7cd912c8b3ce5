-- What became of each transfer, and how long that took.
SELECT aggregate_id AS transfer_id,
       arg_max(event_type, version) AS last_event,
       max(data."from") AS "from",
       max(data."to") AS "to",
       max(data.amount) AS amount,
       max(data.currency) AS currency,
       max(recorded_at) - min(recorded_at) AS took
FROM 'transfer.events.parquet'
GROUP BY aggregate_id
ORDER BY aggregate_id;
