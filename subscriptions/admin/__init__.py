"""The admin pages of the subscriptions floor: each module registers its models when Django loads it."""
