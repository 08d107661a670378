"""Reading electronic schematics with a vision language model: what the stages call."""
