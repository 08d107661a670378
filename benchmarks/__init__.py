"""Speed and size, each against the tutorial's way in the same run: ``python -m benchmarks.NAME``."""
