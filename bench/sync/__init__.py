"""The same accounts pulled from the same platform by Rookery, by dlt and by airbyte-cdk: `compare.py`."""
