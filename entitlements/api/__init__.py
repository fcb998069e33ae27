"""The REST endpoints of the entitlements floor: serializers, filters, views."""
