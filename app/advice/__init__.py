"""Advice on stopping: whether further labels are worth what they cost."""
