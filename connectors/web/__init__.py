"""Reading web services: requests, logins, pages and cursors, for `connectors.sources.http`."""
