"""`sekisho schema`: print the JSON Schemas of the topics, and their examples."""

from argparse import Namespace
from importlib import resources

from streams.config.strict import suggestion
from streams.console.status import EXIT_OK, EXIT_USAGE, show, tell


def run(arguments: Namespace) -> int:
    """Print one schema or its example, or the names of all."""
    folder = resources.files("scoring.contract") / ("examples" if arguments.example else "schemas")
    shipped = {entry.name.removesuffix(".json"): entry for entry in folder.iterdir() if entry.name.endswith(".json")}
    names = sorted(shipped)
    if arguments.name is None:
        show("\n".join(names))
        return EXIT_OK
    name = arguments.name.removesuffix(".json")
    if name not in shipped:
        tell("schema", f"{name[:64]}: unknown; {suggestion(name, names)}")
        return EXIT_USAGE
    show(shipped[name].read_text(encoding="utf-8").rstrip())
    return EXIT_OK
