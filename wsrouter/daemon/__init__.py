"""A site running: start, signals, drain, stop."""
