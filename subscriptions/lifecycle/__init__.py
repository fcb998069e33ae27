"""The facts of subscriptions, and the functions that record them."""
