"""The stores in memory: the same contract suite that the real ones pass (`tests/contract`)."""
