"""When closing happens: runs, shards, the test clock."""
