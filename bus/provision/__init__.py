"""Bringing the engines to what a catalogue needs, and then the catalogue into force."""
