"""The generator of sheets: symbols, circuits, projects, rows."""
