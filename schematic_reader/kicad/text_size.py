"""How high the text of a KiCad sheet is, and how high it must be."""

MIN_TEXT = 4.0
"""Pixels; an A4 sheet of KiCad has text of 4.4 at 1,024 pixels, an A3 sheet 3.1."""

TEXT_MM = 1.27
"""KiCad's default height of text."""
