"""The catalogue: a region's documents as one immutable value. Pure but for `documents`."""
