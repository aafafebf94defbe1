"""Spans of traced records, and how they leave for a tracing backend (ADR-0031)."""
