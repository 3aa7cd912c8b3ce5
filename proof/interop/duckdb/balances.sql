-- Each account's balance, from its events.
SELECT aggregate_id AS account_id,
       max(data.currency) FILTER (event_type = 'AccountOpened') AS currency,
       coalesce(sum(CASE WHEN event_type IN ('Deposited', 'Credited', 'Refunded') THEN data.amount
                         WHEN event_type IN ('Withdrawn', 'Debited') THEN -data.amount END), 0)::BIGINT AS balance,
       max(version) AS version
FROM 'account.events.parquet'
GROUP BY aggregate_id
HAVING count(*) FILTER (event_type = 'AccountOpened') > 0
ORDER BY aggregate_id;
