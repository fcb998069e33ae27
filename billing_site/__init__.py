"""Composition only: settings, URLs, Celery, the admin site and the REST conventions."""
