"""The interagency exchange bus: registry records between agencies instead of letters."""

__version__ = "0.1.0"
