"""Faust agents and the processes they run in. The only room that knows Faust."""
