"""The nouns of the exchange: identifiers, registry records, verdicts. Pure values, no I/O."""
