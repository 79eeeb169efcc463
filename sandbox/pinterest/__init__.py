"""Pinterest: API v5 for Pins, boards, media, numbers, advertising and catalogues."""
