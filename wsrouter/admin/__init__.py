"""The private side: what may be asked of a running daemon, and the HTTP server that answers it. Nothing here knows the daemon; it is handed a `Steering`."""
