"""What all REST views share: wire fields, serializers, filters, ordering, pages, exact JSON. No Django app."""
