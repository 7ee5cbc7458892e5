"""Finding and loading handlers: built-in ones, plugin files, import paths, entry points. Knows no route and no connection."""
