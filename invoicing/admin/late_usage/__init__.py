"""The inbox of late usage in the admin."""
