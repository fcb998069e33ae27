"""Who would be billed without tax by a change, by whatever door, and that one person does not do that alone."""
