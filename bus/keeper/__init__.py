"""Keeping rights to the moment: what agreements grant begins and ends without anybody's command."""
