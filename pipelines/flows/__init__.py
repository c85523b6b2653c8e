"""Prefect flows: order, names, schedules, retries and artifacts of steps that know nothing of Prefect."""
