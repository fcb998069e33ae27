"""The REST endpoints of the customers floor: serializers, filters, views."""
