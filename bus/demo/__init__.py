"""The demonstration: a region's systems exchange invented records, and every figure is measured."""
