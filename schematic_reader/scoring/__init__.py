"""Precision, recall and F1 of answers, with intervals, the prior beside them, tables and plots."""
