"""The whole path on simulated hands: the product's pure functions under every order of events.

The log (`log`), producers (`producer`) and the database (`database`, `transaction`) are simulated;
what decides is the product's own code: judging, planning, cutting batches at groups, deciding what
the fund changes, reading quarantine, the publisher's numbering, proofs, a consumer's copy. A worker
takes one step at a time, so that whatever may happen between two steps of a real one can happen
here. A history is a list of steps (`kinds`, `acts`) drawn from a seed (`schedule`); the same seed
gives the same one.

    python -m tests.simulation --seconds 60 --seed 1
"""
