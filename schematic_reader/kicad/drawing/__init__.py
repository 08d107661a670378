"""A sheet as a picture."""
