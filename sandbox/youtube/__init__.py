"""YouTube's Data API v3 with live streaming, Analytics v2, Google's OAuth 2.0, and the WebSub hub."""
