"""The metrics seam: what counts, whoever keeps the count."""

from collections.abc import Callable

Counter = Callable[..., None]
"""`count(name, n=1, **labels)`."""
