"""The admin pages of the customers floor: each module registers its models when Django loads it."""
