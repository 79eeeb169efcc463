"""The runtime under one seed: real hosts, owners and entities; fake stores, network and clock.

`python -m tests.simulation.run --seeds 300` runs seeds 0 to 299 and ends with one JSON line; a seed that is
named there is run again, exactly as it was, by `--start SEED --seeds 1`. Stores lose answers and half of a
bulk, hosts end and stand still at any await, two believe they own the same partition, webhooks come twice and
out of order, people repeat their commands; afterwards everything is compared with what truly happened.

Every fifth seed also loses what Redis had acknowledged; there less can be expected, and less is.
`sabotage.py` switches protections off, one at a time, which must be found: by `make test-heavy`.
"""
