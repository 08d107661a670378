"""The schematic reader's pipeline: one module a DVC stage, over the packages below it."""
