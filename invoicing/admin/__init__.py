"""The admin pages of the invoicing floor: each module registers its models when Django loads it."""
