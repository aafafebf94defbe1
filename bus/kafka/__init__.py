"""Hands on Kafka: how to reach the cluster, produce, read to the end, follow the catalogue."""
