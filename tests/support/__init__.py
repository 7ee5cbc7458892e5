"""What only our own tests use: the real daemon as a process, clients, waiting for an outcome, leftovers."""
