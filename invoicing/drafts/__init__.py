"""The steps of a draft: collect, advance, retry, approve, delete."""
