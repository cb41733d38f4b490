"""Figures of classes and of dimensions, each with its interval; `al_core.evaluate` chooses the clips."""
