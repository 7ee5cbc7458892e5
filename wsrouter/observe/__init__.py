"""What happened, told: log lines, and the records of connections, handshakes and handlers. The only place for `structlog`."""
