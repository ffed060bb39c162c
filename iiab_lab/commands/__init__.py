"""One file per `iiab` command: arguments that Typer has parsed → the work, and what a person or a program reads."""
