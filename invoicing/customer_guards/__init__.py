"""What a customer's open business forbids."""
