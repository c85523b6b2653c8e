-- phone_hash: the keyed hash of a phone, as 32 hexadecimal digits. Its reach is that of policy.phone_hash: the same in all campaigns of
-- the installation, or in one campaign only (replies that answer none are one more), or none, which is null.
-- The linter takes arguments for columns and types.
-- noqa: disable=CP05
CREATE OR REPLACE MACRO phone_hash(phone, campaign_id, phone_hash_key, reach) AS left(
    sha256(
        phone_hash_key
        || CASE reach WHEN 'installation' THEN '' WHEN 'campaign' THEN coalesce(campaign_id, '') || '/' END
        || phone
    ),
    32
);
