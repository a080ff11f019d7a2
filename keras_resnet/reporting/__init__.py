"""Reporting: a run's training curves and its page."""
