"""Documents, and what writes the reference."""
