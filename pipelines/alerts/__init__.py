"""Alerts: rules that examine the books, the webhook that alerts are sent to, and the alerts sent before."""
