"""Who did what, to what, when and why: an append-only trail that reads as sentences."""
