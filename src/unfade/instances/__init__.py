"""From label images to what a network learns, and back: encode beside decode."""
