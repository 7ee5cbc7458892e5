"""Who may come in, and how much: pure decisions on what a handshake says. Nothing here waits or opens anything."""
