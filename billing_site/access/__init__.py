"""Who may use the REST API: keys with scopes, and the answers remembered for repeated requests."""
