"""The vendor's protocol, and nothing else: no warehouse, no frames, no files."""
