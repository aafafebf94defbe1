"""The data fund: every accepted version, what stands now, and how far the fund has read."""
