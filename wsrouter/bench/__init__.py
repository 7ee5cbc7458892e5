"""A load generator in one process: clients, what they measure, and how it is told."""
