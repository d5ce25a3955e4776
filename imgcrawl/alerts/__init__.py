"""Alerts: rules that look at the datasets of schedules, and the ways in which people are told."""
