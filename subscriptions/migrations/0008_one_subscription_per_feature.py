"""Let the database keep each feature of a customer in one subscription at a time.

A revision with a feature, or a subscription that begins to last longer, is refused where another subscription of the
customer has the feature at a time that both have. Triggers, not an exclusion constraint: the time that counts is that of
the revision within its subscription, and two items of one subscription may share a feature; neither fits into one row.
They take the customer's lock (`core.locks`), so that two writers can't pass each other; the services hold it already.

Nothing that is stored is read or changed: the migration takes as long on a full table as on an empty one. Features that
two subscriptions have already stay as they are, because ending one would change what the customer owes: the check of
the books lists them. Either can still be canceled or shortened; only more time is refused.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION subscriptions_refuse_feature_twice(subscription uuid, revision uuid) RETURNS void
LANGUAGE plpgsql AS $$
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
END $$;

CREATE FUNCTION subscriptions_check_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM subscriptions_refuse_feature_twice(
        (SELECT subscription_id FROM subscriptions_subscriptionitem WHERE id = NEW.item_id), NEW.id
    );
    RETURN NULL;
END $$;

CREATE FUNCTION subscriptions_check_subscription() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM subscriptions_refuse_feature_twice(NEW.id, NULL);
    RETURN NULL;
END $$;

CREATE FUNCTION subscriptions_check_item() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM subscriptions_refuse_feature_twice(NEW.subscription_id, NULL);
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER feature_of_a_new_revision
    AFTER INSERT ON subscriptions_itemrevision DEFERRABLE INITIALLY IMMEDIATE
    FOR EACH ROW WHEN (NEW.feature_key IS NOT NULL) EXECUTE FUNCTION subscriptions_check_revision();

CREATE CONSTRAINT TRIGGER feature_of_a_longer_revision
    AFTER UPDATE OF active_from, active_to, feature_key, item_id ON subscriptions_itemrevision
    DEFERRABLE INITIALLY IMMEDIATE
    FOR EACH ROW WHEN (
        NEW.feature_key IS NOT NULL AND (
            NEW.active_from < OLD.active_from OR coalesce(NEW.active_to, 'infinity') > OLD.active_to
            OR NEW.feature_key IS DISTINCT FROM OLD.feature_key OR NEW.item_id <> OLD.item_id
        )
    ) EXECUTE FUNCTION subscriptions_check_revision();

CREATE CONSTRAINT TRIGGER features_of_a_longer_subscription
    AFTER UPDATE OF active_from, active_to, customer_id ON subscriptions_subscription
    DEFERRABLE INITIALLY IMMEDIATE
    FOR EACH ROW WHEN (
        NEW.active_from < OLD.active_from OR coalesce(NEW.active_to, 'infinity') > OLD.active_to
        OR NEW.customer_id <> OLD.customer_id
    ) EXECUTE FUNCTION subscriptions_check_subscription();

CREATE CONSTRAINT TRIGGER features_of_a_moved_item
    AFTER UPDATE OF subscription_id ON subscriptions_subscriptionitem DEFERRABLE INITIALLY IMMEDIATE
    FOR EACH ROW WHEN (NEW.subscription_id <> OLD.subscription_id) EXECUTE FUNCTION subscriptions_check_item();
"""

BACKWARD = """
DROP TRIGGER features_of_a_moved_item ON subscriptions_subscriptionitem;
DROP TRIGGER features_of_a_longer_subscription ON subscriptions_subscription;
DROP TRIGGER feature_of_a_longer_revision ON subscriptions_itemrevision;
DROP TRIGGER feature_of_a_new_revision ON subscriptions_itemrevision;
DROP FUNCTION subscriptions_check_item();
DROP FUNCTION subscriptions_check_subscription();
DROP FUNCTION subscriptions_check_revision();
DROP FUNCTION subscriptions_refuse_feature_twice(uuid, uuid);
"""


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0007_fee_charged_before")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
