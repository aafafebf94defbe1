"""Reading a mailbox: the server, and what lies in a mail, for `connectors.sources.mailbox`."""
