"""Accounts: people and programs with one bearer token each."""
