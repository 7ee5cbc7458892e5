"""The built-in handlers, one file each, named as in the site. They use the public API only, as any plugin does, and never each other."""
