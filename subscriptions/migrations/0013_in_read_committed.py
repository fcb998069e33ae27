"""The features of a customer's subscriptions are written in READ COMMITTED only: in any other level the trigger that keeps
each in one of them would go by what there was when the transaction began.

Only a function is replaced: no table is locked or read.
"""

from django.db import migrations

FORWARD = [
    """\
CREATE OR REPLACE FUNCTION subscriptions_refuse_feature_twice(subscription uuid, revision uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    customer uuid;
    taken record;
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'Written in READ COMMITTED only: in % it does not show what others have stored meanwhile.',
            upper(current_setting('transaction_isolation')) USING ERRCODE = 'feature_not_supported';
    END IF;
    SELECT customer_id INTO customer FROM subscriptions_subscription WHERE id = subscription;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(
        1651076204, ('x' || right(replace(customer::text, '-', ''), 4))::bit(16)::int % 1024
    );
    SELECT r1.feature_key AS feature, s2.id AS other INTO taken
    FROM subscriptions_subscription s1
    JOIN subscriptions_subscriptionitem i1 ON i1.subscription_id = s1.id
    JOIN subscriptions_itemrevision r1 ON r1.item_id = i1.id AND (revision IS NULL OR r1.id = revision)
    JOIN subscriptions_subscription s2 ON s2.customer_id = s1.customer_id AND s2.id <> s1.id
    JOIN subscriptions_subscriptionitem i2 ON i2.subscription_id = s2.id
    JOIN subscriptions_itemrevision r2 ON r2.item_id = i2.id AND r2.feature_key = r1.feature_key
    WHERE s1.id = subscription
        AND greatest(r1.active_from, s1.active_from, r2.active_from, s2.active_from)
            < coalesce(least(r1.active_to, s1.active_to, r2.active_to, s2.active_to), 'infinity')
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'Feature % is that of subscription % at that time.', taken.feature, taken.other
            USING ERRCODE = 'exclusion_violation', CONSTRAINT = 'one_subscription_per_feature',
                DETAIL = taken.feature || ' ' || taken.other;
    END IF;
END $$""",
]
BACKWARD = [
    """\
CREATE OR REPLACE FUNCTION subscriptions_refuse_feature_twice(subscription uuid, revision uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    customer uuid;
    taken record;
BEGIN
    SELECT customer_id INTO customer FROM subscriptions_subscription WHERE id = subscription;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(
        1651076204, ('x' || right(replace(customer::text, '-', ''), 4))::bit(16)::int % 1024
    );
    SELECT r1.feature_key AS feature, s2.id AS other INTO taken
    FROM subscriptions_subscription s1
    JOIN subscriptions_subscriptionitem i1 ON i1.subscription_id = s1.id
    JOIN subscriptions_itemrevision r1 ON r1.item_id = i1.id AND (revision IS NULL OR r1.id = revision)
    JOIN subscriptions_subscription s2 ON s2.customer_id = s1.customer_id AND s2.id <> s1.id
    JOIN subscriptions_subscriptionitem i2 ON i2.subscription_id = s2.id
    JOIN subscriptions_itemrevision r2 ON r2.item_id = i2.id AND r2.feature_key = r1.feature_key
    WHERE s1.id = subscription
        AND greatest(r1.active_from, s1.active_from, r2.active_from, s2.active_from)
            < coalesce(least(r1.active_to, s1.active_to, r2.active_to, s2.active_to), 'infinity')
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'Feature % is that of subscription % at that time.', taken.feature, taken.other
            USING ERRCODE = 'exclusion_violation', CONSTRAINT = 'one_subscription_per_feature',
                DETAIL = taken.feature || ' ' || taken.other;
    END IF;
END $$""",
]


class Migration(migrations.Migration):
    dependencies = [
        ("subscriptions", "0012_indexes_that_others_begin_with"),
    ]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
