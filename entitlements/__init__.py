"""What is used and what may be used: meters, usage events, features, entitlements."""
