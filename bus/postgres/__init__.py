"""The way to PostgreSQL: sessions, SQL by name, and positions that fence a replaced worker."""
