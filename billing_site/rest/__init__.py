"""The REST conventions: keys and scopes, errors, repeats, limits, the schema, and where each endpoint is."""
