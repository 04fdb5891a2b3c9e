"""The package as a whole: its public names, which module may import which, and what must not be in any file."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import impasto
from impasto.errors import ImpastoError

PACKAGE = Path(impasto.__file__).parent
ROOT = Path(__file__).parent.parent
SOURCES = sorted(PACKAGE.rglob("*.py"))

# Each module or folder may import those above it, and the package itself for its version.
ORDER = [
    "errors",
    "threads",
    "eigen",
    "shipped",
    "bundle",
    "options",
    "presets",
    "scales",
    "opening",
    "images",
    "saving",
    "frames",
    "transport",
    "colors",
    "measures",
    "masks",
    "weights",
    "samples",
    "statistics",
    "distances",
    "variations",
    "parts",
    "losses",
    "regions",
    "optimize",
    "pyramid",
    "conventions",
    "backbones",
    "symptoms",
    "doctor",
    "winograd",
    "fused",
    "machine",
    "tiling",
    "networks",
    "fused_presto",
    "transform",
    "panes",
    "webpage",
    "forecast",
    "engines",
    "strength",
    "recipe",
    "canvas",
    "scene",
    "presto",
    "coverage",
    "shelf",
    "starts",
    "objective",
    "equipment",
    "planning",
    "evaluation",
    "sets",
    "painting",
    "exporting",
    "trained",
    "stylizer",
    "synthesis",
    "sheets",
    "curves",
    "film",
    "cards",
    "figures",
    "comparison",
    "choosing",
    "textbook",
    "benchmark",
    "race",
    "folders",
    "processes",
    "photos",
    "pairs",
    "criterion",
    "checkpoint",
    "training",
    "ingredients",
    "repeat",
    "runs",
    "storage",
    "jobs",
    "workers",
    "cluster",
    "batch",
    "outputs",
    "studio",
    "cli",
    "__main__",
]


def module_name(source: Path) -> str:
    return ".".join(source.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def tree(source: Path) -> ast.Module:
    return ast.parse(source.read_text(encoding="utf-8"))


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def nodes_that_run(node: ast.AST) -> list[ast.AST]:
    """Every node but those under `if TYPE_CHECKING`."""
    found = [node]
    for child in ast.iter_child_nodes(node):
        if not is_type_checking(child):
            found += nodes_that_run(child)
    return found


def imported_modules(source: Path) -> set[str]:
    """Modules of impasto that a module imports anywhere, inside functions too; "" is the package itself."""
    names: set[str] = set()
    for node in nodes_that_run(tree(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source.name} imports relatively: write impasto in full"
            whole = f"{node.module}."
            names |= {whole + alias.name for alias in node.names} if node.module == "impasto" else {whole}
    return {name.split(".")[1] if "." in name else "" for name in names if name.split(".")[0] == "impasto"}


def arrows() -> dict[str, set[str]]:
    """What each module, or each folder as a whole, imports from beside it."""
    found: dict[str, set[str]] = {}
    for source in SOURCES:
        if source != PACKAGE / "__init__.py":
            room = module_name(source).split(".")[0]
            found.setdefault(room, set()).update(imported_modules(source) - {room})
    return found


ARROWS = arrows()


# ------------------------------------------------------------------------------------------------- public surface


def test_public_names_are_sorted_and_no_others_are_offered() -> None:
    assert impasto.__all__ == sorted(set(impasto.__all__))
    assert dir(impasto) == impasto.__all__


@pytest.mark.parametrize("name", impasto.__all__)
def test_every_public_name_resolves_and_is_documented(name: str) -> None:
    value = getattr(impasto, name)
    if name != "__version__":
        assert value.__name__ == name
        assert value.__doc__
        assert not value.__doc__.startswith(f"{name}("), "that is dataclasses' own text"


def test_names_for_type_checkers_are_the_public_names() -> None:
    block = next(node for node in tree(PACKAGE / "__init__.py").body if is_type_checking(node))
    imported = {
        (node.module, alias.name)
        for node in ast.walk(block)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    homes = {(f"impasto.{home}", name) for home, names in impasto._HOMES.items() for name in names}
    assert imported == homes
    assert sorted(["__version__", *(name for _, name in homes)]) == impasto.__all__


def test_every_error_is_public_and_an_impasto_error() -> None:
    errors = importlib.import_module("impasto.errors")
    found = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert found <= set(impasto.__all__)
    assert all(issubclass(getattr(errors, name), ImpastoError) for name in found)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = impasto.nonsense


@pytest.mark.parametrize("module", ["impasto", "impasto.cli"])
def test_importing_loads_nothing_heavy(module: str) -> None:
    program = f"import sys, {module}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    output = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    heavy = {"torch", "PIL", "numpy", "safetensors", "scipy", "av", "cv2"}
    if module == "impasto":
        heavy |= {"rich", "cyclopts"}
    assert heavy & set(output.stdout.split()) == set()


# --------------------------------------------------------------------------------------------------------- arrows


def test_the_order_names_every_module() -> None:
    assert sorted(ORDER) == sorted(ARROWS)


@pytest.mark.parametrize("module", ORDER)
def test_a_module_imports_only_from_those_above_it(module: str) -> None:
    allowed = {"", *ORDER[: ORDER.index(module)]}
    assert ARROWS[module] <= allowed, f"{module} may not import {ARROWS[module] - allowed}"


def test_imports_have_no_circle() -> None:
    left = {module: arrows - {""} for module, arrows in ARROWS.items()}
    while left:
        free = {module for module, arrows in left.items() if not arrows & left.keys()}
        assert free, f"a circle among {sorted(left)}"
        left = {module: arrows for module, arrows in left.items() if module not in free}


MATHEMATICS = ["eigen", "samples", "statistics", "distances", "variations", "parts", "losses", "optimize"]


@pytest.mark.parametrize("module", MATHEMATICS)
def test_the_mathematics_knows_nothing_of_impasto_but_its_errors(module: str) -> None:
    assert ARROWS[module] <= {"errors", "threads", *MATHEMATICS}


@pytest.mark.parametrize("front_end", ["cli", "outputs", "studio"])
def test_no_library_module_imports_a_front_end(front_end: str) -> None:
    assert {module for module, arrows in ARROWS.items() if front_end in arrows} <= {"outputs", "cli", "__main__"}


# ---------------------------------------------------------------------------------------------------------- texts


@pytest.mark.parametrize("source", SOURCES, ids=module_name)
def test_everything_public_is_documented(source: Path) -> None:
    """A method may share the docstring of another of its name in the module, such as a Protocol's."""
    module = tree(source)
    classes = [node for node in module.body if isinstance(node, ast.ClassDef)]
    methods = [node for owner in classes if not owner.name.startswith("_") for node in owner.body]
    functions = [node for node in (*module.body, *methods) if isinstance(node, ast.FunctionDef)]
    documented = {node.name for node in functions if ast.get_docstring(node)} | {"forward", "backward"}  # torch's own
    bare = {node.name for node in functions if not node.name.startswith("_")} - documented
    bare |= {owner.name for owner in classes if not owner.name.startswith("_") and not ast.get_docstring(owner)}
    assert bare == set()
    assert ast.get_docstring(module)


@pytest.mark.parametrize(
    "source",
    [path for path in SOURCES if path.parent.name not in ("cli", "outputs")],
    ids=module_name,
)
def test_the_library_neither_prints_nor_exits(source: Path) -> None:
    calls = {ast.unparse(node.func) for node in ast.walk(tree(source)) if isinstance(node, ast.Call)}
    assert calls & {"print", "exit", "quit", "sys.exit", "os._exit", "input", "breakpoint"} == set()


def tracked_files() -> list[Path]:
    """The project's files by git, or none where this is no checkout."""
    try:
        listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()]


def test_no_tracked_text_holds_a_path_of_somebody_s_machine() -> None:
    files = tracked_files()
    if not files:
        pytest.skip("not a git checkout")
    path = re.compile(r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+)/|\b[A-Z]:\\Users\\")
    found = []
    for file in files:
        data = file.read_bytes()
        if b"\0" not in data:
            lines = data.decode("utf-8").splitlines()  # and every text is UTF-8
            found += [f"{file.relative_to(ROOT)}:{n}: {line}" for n, line in enumerate(lines, 1) if path.search(line)]
    assert found == []


def test_the_version_is_a_release_and_in_the_changelog() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc|\.dev)\d+)?", impasto.__version__)
    changelog = ROOT / "CHANGELOG.md"
    if changelog.exists():
        assert re.search(rf"^#+ .*{re.escape(impasto.__version__)}", changelog.read_text(encoding="utf-8"), re.M)


def test_every_dependency_has_a_pinned_version() -> None:
    project = pytest.importorskip("tomllib").loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    names = {re.split(r"[\[<>=; ]", one)[0].lower() for one in wanted} - {"impasto"}
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower().splitlines()
    pinned = {re.split("==", one)[0].replace("_", "-") for one in pins if "==" in one}
    assert names - pinned == set()
    assert len(pinned) == sum(bool(one) and not one.startswith("#") for one in pins)  # each once, each to one version
