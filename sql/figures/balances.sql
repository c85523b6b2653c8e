-- figure balances: one row per interval between two balances told, with what was left at its end.
-- Input: marts.balance_reconciliation.
SELECT
    ended_at,
    closing_balance_count,
    is_explained
FROM marts.balance_reconciliation
ORDER BY ended_at
