"""The `bus` command: each subcommand parses, calls one function and prints what it gave."""
