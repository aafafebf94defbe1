"""Contracts as people read them: what one promises and demands, in words and as a page."""
