"""What one person may not do alone: limits that hold for the effect by whatever way in (REST, admin, task), and changes
that wait for a second person."""
