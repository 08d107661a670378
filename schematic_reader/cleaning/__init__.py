"""Inspection of one row, duplicates, and the groups of rows that a split keeps together."""
