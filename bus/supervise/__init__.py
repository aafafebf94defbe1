"""Keeping the processes of a host running; it knows neither Faust nor what they do."""
