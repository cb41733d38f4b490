"""Readers of speech-emotion corpora: a file a convention, each giving clips with canonical English label names."""
