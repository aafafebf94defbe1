"""Sources that ship, one file each."""
