"""Sending a campaign: recipients, plan, journal and sender."""
