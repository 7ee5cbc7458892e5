"""Bytes to messages and back: the only place that knows `websockets`, client sockets and TLS."""
