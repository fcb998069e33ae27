"""What is settled of an item's time, and what waits. Pure."""
