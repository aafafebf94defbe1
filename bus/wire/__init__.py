"""Bytes between parties: topic names, headers, frames, record ids, batch signatures. Pure."""
