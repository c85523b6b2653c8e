"""What a command prints: tables, progress, a campaign's page."""
