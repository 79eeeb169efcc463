"""Refresh and sync by racing workers: Celery with Redis and row locks, beside ours: `compare.py`."""
