"""What every admin page is built from: lists, read pages, verbs with confirmation, and how values look."""
