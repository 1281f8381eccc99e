-- What became of everything that was asked: in = kept + dropped at every step.
SELECT
    step,
    unit,
    came AS "in",
    kept,
    dropped,
    list_aggregate([k || ' ' || reasons[k] FOR k IN map_keys(reasons)], 'string_agg', ', ') AS reasons
FROM funnel
ORDER BY position
