"""No `Any` crosses from one package to another, unless a library has no types."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.tidy.sources import nodes_of, tree_of
from tests.tidy.test_floors import modules

PACKAGES = ("scoring", "streams", "models")

AIOKAFKA = "a private object of aiokafka, which has no types"
NUMBA = "an object of numba's compiler, which has no types"

UNTYPED = {
    "streams.records.batches.Fetched.of(source)": AIOKAFKA,
    "streams.kafka.reading.fetcher.fetch_again(fetcher)": AIOKAFKA,
    "streams.kafka.reading.fetcher.next_batch(source)": AIOKAFKA,
    "streams.kafka.sending.append.append(accumulator)": AIOKAFKA,
    "streams.transport.schema.RawBatchSchema.compile(app)": "overrides Faust's, whose app type is circular",
    "streams.transport.schema.RawBatchSchema.compile(return)": "Faust's events are generic over the value",
    "scoring.jit.trailing_zeros": "numba's intrinsics take any word, and have no types",
    "scoring.policy.settings.PolicySettings.inline": "a policy as YAML; msgspec makes no JSON Schema of `object`",
    "scoring.jit.prefetch": "numba's intrinsics take any array, and have no types",
    "scoring.helper_library.HelperCompiler.__init__(args)": NUMBA,
    "scoring.helper_library.HelperCompiler.__init__(flags)": NUMBA,
    "scoring.helper_library.HelperCompiler.__init__(library)": NUMBA,
    "scoring.helper_library.HelperCompiler.__init__(locals)": NUMBA,
    "scoring.helper_library.HelperCompiler.__init__(return_type)": NUMBA,
    "scoring.helper_library.HelperCompiler.__init__(targetctx)": NUMBA,
    "scoring.helper_library.HelperCompiler.__init__(typingctx)": NUMBA,
}
"""What may be `Any` across packages, and the reason."""


def home_of(module: str) -> str:
    """Return the package of a module as people name it: `streams.kafka`."""
    return ".".join(module.split(".")[:2])


def crossing(known: dict[str, Path]) -> dict[str, set[str]]:
    """Return by module the names that another package imports from it."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, path in known.items():
        aliases = {}  # of whole modules
        for node in nodes_of(path):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    if inner in known:
                        aliases[alias.asname or alias.name] = inner
                    elif node.module in known and home_of(node.module) != home_of(name):
                        found[node.module].add(alias.name)
        for node in nodes_of(path):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                module = aliases.get(node.value.id)
                if module is not None and home_of(module) != home_of(name):
                    found[module].add(node.attr)
    return found


def is_any(annotation: ast.expr | None) -> bool:
    """Tell whether an annotation has `Any` in it."""
    return annotation is not None and any(
        isinstance(node, ast.Name) and node.id == "Any" for node in ast.walk(annotation)
    )


def of_function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """Name the parameters that are `Any`, and `return`. Arguments that are passed on (`**kwargs`) are left out."""
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    yield from (argument.arg for argument in arguments if is_any(argument.annotation))
    if is_any(node.returns):
        yield "return"


def of_self(node: ast.ClassDef) -> Iterator[str]:
    """Name the public attributes that methods annotate as `Any`."""
    for inner in ast.walk(node):
        match inner:
            case ast.AnnAssign(target=ast.Attribute(value=ast.Name(id="self"), attr=name)):
                if not name.startswith("_") and is_any(inner.annotation):
                    yield name


def of_definition(node: ast.stmt, names: set[str]) -> Iterator[str]:
    """Name what is `Any` in a definition of a module, if the definition has one of these names."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() if node.name in names:
            yield from (f"{node.name}({found})" for found in of_function(node))
        case ast.AnnAssign(target=ast.Name(id=name)) if name in names and is_any(node.annotation):
            yield name
        case ast.Assign(targets=[ast.Name(id=name)]) if name in names and is_any(node.value):
            yield name
        case ast.ClassDef() if node.name in names:
            yield from (f"{node.name}.{name}" for name in of_self(node))
            for inner in node.body:
                match inner:
                    case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                        if not name.startswith("_") or name == "__init__":
                            yield from (f"{node.name}.{name}({found})" for found in of_function(inner))
                    case ast.AnnAssign(target=ast.Name(id=name)) if not name.startswith("_"):
                        if is_any(inner.annotation):
                            yield f"{node.name}.{name}"


def untyped(known: dict[str, Path]) -> set[str]:
    """Name every definition that is `Any` and crosses packages."""
    found = set()
    for module, names in crossing(known).items():
        for node in tree_of(known[module]).body:
            found |= {f"{module}.{what}" for what in of_definition(node, names)}
    return found


def test_any_across_packages_needs_a_reason() -> None:
    found = untyped({name: path for package in PACKAGES for name, path in modules(package).items()})
    assert sorted(found - UNTYPED.keys()) == [], "give it a type: a Protocol with what is used, or `object`"
    assert sorted(UNTYPED.keys() - found) == [], "take it off the list"


def test_each_way_to_be_any_is_found(tmp_path: Path) -> None:
    """A package with every kind of definition, and another that imports them."""
    (tmp_path / "one.py").write_text(
        "def made(x: Any, *, y: dict[str, Any]) -> list[Any]: ...\n"
        "def own(x: Any) -> Any: ...\n"
        "LIMIT: Any = 1\n"
        "Json = dict[str, Any]\n"
        "class Box:\n"
        "    held: Any\n"
        "    _kept: Any\n"
        "    def __init__(self, first: Any, **rest: Any) -> None:\n"
        "        self.second: Any = first\n"
        "    async def give(self) -> Any: ...\n"
        "    def _hide(self, x: Any) -> None: ...\n"
        "def whole(x: Any) -> None: ...\n"
    )
    (tmp_path / "two.py").write_text("from p.a.one import made, LIMIT, Json, Box\nfrom p.a import one\none.whole(1)\n")
    found = untyped({"p.a.one": tmp_path / "one.py", "p.b.two": tmp_path / "two.py"})
    assert {name.removeprefix("p.a.one.") for name in found} == {
        "made(x)",
        "made(y)",
        "made(return)",
        "LIMIT",
        "Json",
        "Box.held",
        "Box.second",
        "Box.__init__(first)",
        "Box.give(return)",
        "whole(x)",
    }
    assert untyped({"p.a.one": tmp_path / "one.py", "p.a.two": tmp_path / "two.py"}) == set(), (
        "it is within one package"
    )
