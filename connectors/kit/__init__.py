"""The conformance kit: proves of a source that it loses no row, wherever its runner is killed.

`bus connector test NAME` runs it on a deterministic stand-in for the bus, which can be killed at
every step; it runs as a plug-in of pytest in an author's own repository too
(`connectors.kit.plugin`).
"""
