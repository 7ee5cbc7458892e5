"""A route's compiled chain: the one place that calls hooks, orders the async ones, and fences their failures."""
