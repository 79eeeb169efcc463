"""TikTok: Login Kit, Display and Content Posting APIs, the API for Business v1.3 and TikTok Shop, as
documented in November 2026."""
