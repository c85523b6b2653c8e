"""The journal: an append-only record of all campaigns and of the state of every batch."""
