"""Reading, writing and drawing KiCad schematics. Imports nothing of the project."""
