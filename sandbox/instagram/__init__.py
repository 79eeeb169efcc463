"""The Instagram API with Instagram Login (graph.instagram.com), as documented for v26.0."""
