"""A worker that does nothing: it says in its log what it is, and ends with its input."""

import sys

from bus.supervise.reserve import awaited_placement


def main(arguments: list[str]) -> None:
    """Take the place that is given, or wait in reserve for it."""
    if not arguments:
        placement = awaited_placement()
        if placement is None:
            return
        told = [placement.role, str(placement.slot), str(placement.restarts)]
        arguments = ["from-reserve", *told]
    sys.stderr.write(" ".join(arguments) + "\n")
    sys.stderr.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
