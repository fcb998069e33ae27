"""The REST endpoints of the entitlements package: serializers, filters, views."""
