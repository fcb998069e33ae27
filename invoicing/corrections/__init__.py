"""What comes back: unused time, credit lines, credit notes."""
