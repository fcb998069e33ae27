"""Money that comes in and goes out: collection, dunning, receipts, refunds."""
