"""YAML text -> values with positions: the site's file, its settings, its routes, and every problem in them at once."""
