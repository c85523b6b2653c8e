"""The operations behind commands and flows, as plain functions of settings and clock."""
