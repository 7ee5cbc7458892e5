"""What plugin authors write against, and the Protocols that join the layers. Imports nothing of wsrouter but itself."""
