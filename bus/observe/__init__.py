"""Metrics, health and the state of the whole, for those who run the bus."""
