"""Named streams of messages with subscribers: the unit of fan-out. Knows neither frames nor sockets."""
