"""Where usage events and their rollups are kept: PostgreSQL."""
