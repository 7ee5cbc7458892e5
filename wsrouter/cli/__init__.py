"""The command line: one file a subcommand, with `NAME`, `HELP`, `add_arguments(parser)` and `run(arguments) -> int`. Heavy imports stand in functions."""
