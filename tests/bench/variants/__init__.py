"""The step of enforcement as each peer writes it: one script each, run on its own."""
