"""Alerts: what is worth waking somebody for, whom to tell, and what was told already."""
