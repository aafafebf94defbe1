"""Boards for Grafana: as data, as its JSON, and what provisions them."""
