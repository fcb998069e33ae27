"""The admin pages of the entitlements floor: each module registers its models when Django loads it."""
