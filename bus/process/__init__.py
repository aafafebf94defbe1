"""What every long-running process of the bus does alike: one at a place, its log, its end."""
