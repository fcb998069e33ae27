"""The REST endpoints of the subscriptions floor: serializers, filters, views."""
