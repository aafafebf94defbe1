"""Sinks that ship: a consumer's PostgreSQL, a webhook."""
