"""What helps an author begin: proposals from a live source, and a package that runs at once."""
