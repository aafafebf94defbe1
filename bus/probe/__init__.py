"""Sending the bus a record of its own each half minute, to see that it comes back (ADR-0032)."""
