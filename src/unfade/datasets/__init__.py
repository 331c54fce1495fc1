"""Public data sets and a user's own folders, as stills or sequences with labels; one per file."""
