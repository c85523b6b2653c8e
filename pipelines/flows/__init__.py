"""Prefect: the order, names, schedules, retries and artifacts of the steps, which know nothing of it. No logic."""
