"""Path pattern -> route: patterns are parsed and compiled once, a path is looked up in microseconds. Pure."""
