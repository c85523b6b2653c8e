"""Output of commands: tables, progress, a campaign's page."""
