"""Late usage: found, judged, billed, credited or waived (billing rules 6)."""
