-- figure balances: one row per interval between two queried balances, with the balance at its end.
-- Input: marts.balance_reconciliation.
SELECT
    ended_at,
    closing_balance_count,
    is_explained
FROM marts.balance_reconciliation
ORDER BY ended_at
