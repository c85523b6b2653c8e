"""Files exported from a vendor's console: what is in them, and which of their columns means what."""
