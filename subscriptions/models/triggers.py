"""What keeps each feature of a customer in one subscription at a time in the database, as it stands now."""

from core.triggers import SEES_NEW_ROWS, Function, Trigger

FUNCTIONS = (
    Function(
        "subscriptions_refuse_feature_twice",
        arguments="subscription uuid, revision uuid",
        returns="void",
        body=f"""\
DECLARE
    customer uuid;
    taken record;
BEGIN
{SEES_NEW_ROWS}    SELECT customer_id INTO customer FROM subscriptions_subscription WHERE id = subscription;
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
END""",
    ),
    Function(
        "subscriptions_check_revision",
        body="""\
BEGIN
    PERFORM subscriptions_refuse_feature_twice(
        (SELECT subscription_id FROM subscriptions_subscriptionitem WHERE id = NEW.item_id), NEW.id
    );
    RETURN NULL;
END""",
    ),
    Function(
        "subscriptions_check_subscription",
        body="""\
BEGIN
    PERFORM subscriptions_refuse_feature_twice(NEW.id, NULL);
    RETURN NULL;
END""",
    ),
    Function(
        "subscriptions_check_item",
        body="""\
BEGIN
    PERFORM subscriptions_refuse_feature_twice(NEW.subscription_id, NULL);
    RETURN NULL;
END""",
    ),
)

TRIGGERS = (
    Trigger(
        "feature_of_a_new_revision",
        table="subscriptions_itemrevision",
        on="AFTER INSERT",
        constraint=True,
        how="""\
DEFERRABLE INITIALLY IMMEDIATE
    FOR EACH ROW WHEN (NEW.feature_key IS NOT NULL)""",
        function="subscriptions_check_revision",
    ),
    Trigger(
        "feature_of_a_longer_revision",
        table="subscriptions_itemrevision",
        on="AFTER UPDATE OF active_from, active_to, feature_key, item_id",
        constraint=True,
        how="""\
DEFERRABLE INITIALLY IMMEDIATE
    FOR EACH ROW WHEN (
        NEW.feature_key IS NOT NULL AND (
            NEW.active_from < OLD.active_from OR coalesce(NEW.active_to, 'infinity') > OLD.active_to
            OR NEW.feature_key IS DISTINCT FROM OLD.feature_key OR NEW.item_id <> OLD.item_id
        )
    )""",
        function="subscriptions_check_revision",
    ),
    Trigger(
        "features_of_a_longer_subscription",
        table="subscriptions_subscription",
        on="AFTER UPDATE OF active_from, active_to, customer_id",
        constraint=True,
        how="""\
DEFERRABLE INITIALLY IMMEDIATE
    FOR EACH ROW WHEN (
        NEW.active_from < OLD.active_from OR coalesce(NEW.active_to, 'infinity') > OLD.active_to
        OR NEW.customer_id <> OLD.customer_id
    )""",
        function="subscriptions_check_subscription",
    ),
    Trigger(
        "features_of_a_moved_item",
        table="subscriptions_subscriptionitem",
        on="AFTER UPDATE OF subscription_id",
        constraint=True,
        how="""\
DEFERRABLE INITIALLY IMMEDIATE
    FOR EACH ROW WHEN (NEW.subscription_id <> OLD.subscription_id)""",
        function="subscriptions_check_item",
    ),
)
