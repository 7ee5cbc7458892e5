"""Scenarios: a site in memory on virtual time, with clients, for `wsrouter test` and `wsrouter.testing`. Opens no port."""
