"""When usage events may go: once all that they are billed by is settled."""
