"""Composes a generation from text: config, plugins, routing and pipeline together; what run, check and schema share."""
