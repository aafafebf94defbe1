"""Twins of the sources that ship: small real ones, for the conformance kit."""
