"""Data requests: what replaces the written letter, from the question to its answer."""
