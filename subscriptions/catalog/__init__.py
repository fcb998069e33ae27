"""What is sold: plans, rate cards, add-ons, coupons."""
