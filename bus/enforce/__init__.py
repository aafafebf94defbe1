"""Judging: is an inbound record what its envelope, signature and contract demand? Pure."""
