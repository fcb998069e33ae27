"""Who is billed and how: customers, suppliers, billing apps, billing profiles and overrides."""
