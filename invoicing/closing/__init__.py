"""The difference between what ought to be billed and what is, for a batch: load, plan, rate, write."""
