"""Figures of classes and of dimensions, each with its interval; `al_core.evaluation.evaluate` chooses the clips."""
