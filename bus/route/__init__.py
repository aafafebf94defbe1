"""Verdicts become deliveries: which bytes go to which topic. Pure."""
