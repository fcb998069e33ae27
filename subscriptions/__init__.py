"""What is sold: plans, rate cards, contracts, subscriptions, and the pure rules of price and period."""
