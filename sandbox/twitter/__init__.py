"""X (Twitter) API v2 as documented in spec 2.167 and seen by third parties in 2026."""
