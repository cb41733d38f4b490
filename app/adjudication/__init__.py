"""Adjudication: disputes side by side, rulings with a reason, clips sent back to the annotators."""
