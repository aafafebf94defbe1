"""Contracts: their documents, their meaning, their rules compiled. Pure, no I/O."""
