"""What every admin page of the house is built from: lists, read pages, verbs with confirmation, and how values look."""
