"""Raw bytes to disk and back, before anything interprets them."""
