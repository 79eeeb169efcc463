"""Chaos on the real thing: `python -m tests.chaos.run --minutes 5 --seed 1`, or `make chaos`.

`rookery up` and nodes in network namespaces of their own, under traffic; faults drawn from a seed; the
sandbox's ledger is the judge.
"""
