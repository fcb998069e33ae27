"""The steps of a draft: collect, advance, approve, delete."""
