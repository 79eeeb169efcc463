"""Facebook Pages, Login, Marketing and Catalog API (graph.facebook.com), as documented for v26.0."""
