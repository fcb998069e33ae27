"""The release of customers whose close failed."""
