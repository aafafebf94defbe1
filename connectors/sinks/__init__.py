"""Sinks that ship: what a consumer receives, into its own database or service."""
