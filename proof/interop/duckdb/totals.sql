-- Each currency's total over all accounts, and what is in flight between two of them.
WITH movement AS (
    SELECT data.currency AS currency,
           CASE WHEN event_type IN ('Deposited', 'Credited', 'Refunded') THEN data.amount
                WHEN event_type IN ('Withdrawn', 'Debited') THEN -data.amount ELSE 0 END AS amount
    FROM 'account.events.parquet'
    WHERE event_type IN ('AccountOpened', 'Deposited', 'Credited', 'Refunded', 'Withdrawn', 'Debited')
), flight AS (
    SELECT data.currency AS currency,
           CASE event_type WHEN 'TransferDebited' THEN data.amount ELSE -data.amount END AS amount
    FROM 'transfer.events.parquet'
    WHERE event_type IN ('TransferDebited', 'TransferCompleted', 'TransferReturned')
)
SELECT currency,
       sum(amount)::BIGINT AS accounts,
       (SELECT coalesce(sum(flight.amount), 0)::BIGINT FROM flight WHERE flight.currency = movement.currency) AS in_flight
FROM movement
GROUP BY currency
ORDER BY currency;
