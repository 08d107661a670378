"""Answers of a model about sheets."""
