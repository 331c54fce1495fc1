"""Networks, one per file, each with its paper on top."""
