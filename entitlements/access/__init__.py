"""Who may use what: entitlements, their grants, and what is left of them."""
