"""Projects: one scheme, one pile of audio, one team, one learning curve."""
