"""A sheet's netlist, and how far two agree."""
