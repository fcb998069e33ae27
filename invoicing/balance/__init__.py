"""The customer balance: money that is applied after tax to what is due."""
