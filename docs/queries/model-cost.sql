-- What sessions spent on models: by day, user, repository, task and kind of tokens. Athena, over the export of
-- model-cost-export.yaml. Replace model_cost by its table, and the dates.
SELECT
    date(line_item_usage_start_date) AS day,
    element_at(tags, 'iamPrincipal/user_id') AS user_id,
    element_at(tags, 'iamPrincipal/repo') AS repo,
    element_at(tags, 'iamPrincipal/task_id') AS task_id,
    line_item_usage_type AS kind,
    sum(line_item_usage_amount) AS amount,
    sum(line_item_unblended_cost) AS cost,
    line_item_currency_code AS currency
FROM model_cost
WHERE line_item_product_code IN ('AmazonBedrock', 'AmazonBedrockService')
    AND line_item_usage_start_date >= timestamp '2026-11-01 00:00:00'
    AND line_item_usage_start_date < timestamp '2026-12-01 00:00:00'
    AND line_item_iam_principal IS NOT NULL
GROUP BY 1, 2, 3, 4, 5, 8
ORDER BY day, cost DESC
