"""Metrics of answers: precision, recall, F1 with intervals, calibration, the prior and other references."""
