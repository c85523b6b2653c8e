-- delivery_rates: the three rates with their 95 % Wilson intervals, as a STRUCT: unnest(delivery_rates(930, 950, 1000)).
-- Arguments: messages delivered, reported (delivered + failed) and accepted. A rate of nothing is null.
-- The linter takes arguments for columns and types.
-- noqa: disable=CP02,CP05,RF02
CREATE OR REPLACE MACRO delivery_rates(delivered_count, reported_count, accepted_total_count) AS struct_pack(
    delivered_of_accepted_rate := delivered_count / nullif(accepted_total_count, 0),
    delivered_of_accepted_rate_low := wilson_low(delivered_count, accepted_total_count),
    delivered_of_accepted_rate_high := wilson_high(delivered_count, accepted_total_count),
    delivered_of_reported_rate := delivered_count / nullif(reported_count, 0),
    delivered_of_reported_rate_low := wilson_low(delivered_count, reported_count),
    delivered_of_reported_rate_high := wilson_high(delivered_count, reported_count),
    coverage_rate := reported_count / nullif(accepted_total_count, 0),
    coverage_rate_low := wilson_low(reported_count, accepted_total_count),
    coverage_rate_high := wilson_high(reported_count, accepted_total_count)
);
