"""The landing turned into rows of core: typed, checked, deduplicated."""
