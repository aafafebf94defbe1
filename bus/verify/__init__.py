"""The conservation law: nothing that came in is lost, and nothing is counted twice."""
