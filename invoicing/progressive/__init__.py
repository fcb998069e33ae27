"""Progressive billing: usage of a running period is billed before the period ends (billing rules 7)."""
