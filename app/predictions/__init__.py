"""Predictions: a promoted checkpoint applied to a project's clips."""
