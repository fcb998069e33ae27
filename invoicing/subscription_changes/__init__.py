"""Changes of a subscription with the money that they bill and give back."""
