"""A worker that does nothing: it says in its log what it is, and ends with its input."""

import sys

from bus.agents.reserve import awaited_duty


def main(arguments: list[str]) -> None:
    """Take the duty that is given, or wait in reserve for it."""
    if not arguments:
        duty = awaited_duty()
        if duty is None:
            return
        arguments = ["from-reserve", duty.role, str(duty.slot), str(duty.restarts)]
    sys.stderr.write(" ".join(arguments) + "\n")
    sys.stderr.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
