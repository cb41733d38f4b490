"""Clips: uploaded or imported utterances, their audio and their waveforms."""
