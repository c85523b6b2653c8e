"""Figures, charts and campaign reports."""
