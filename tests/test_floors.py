"""The floors of the house: an import goes down, or stays in its own package, and never climbs."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = [
    ["ecgfeat.errors", "ecgfeat.clock", "ecgfeat.dropout", "ecgfeat.process", "ecgfeat.version"],
    ["ecgfeat.store", "ecgfeat.pretrained", "ecgfeat.terminal", "ecgfeat.ranks"],
    ["ecgfeat.engine", "ecgfeat.records", "ecgfeat.corpora", "ecgfeat.training", "ecgfeat.trees", "ecgfeat.device"],
    ["ecgfeat.scoring", "ecgfeat.models"],
    ["ecgfeat.report.drawings"],
    ["ecgfeat.report.results"],
    ["ecgfeat.report.tables"],
    ["ecgfeat.signals", "ecgfeat.features", "ecgfeat.report"],
    ["ecgfeat.simulate", "ecgfeat.files"],
    ["ecgfeat.beats", "ecgfeat.acquire"],
    ["ecgfeat.rhythm"],
    ["ecgfeat.arrhythmia"],
    ["ecgfeat.prediction", "ecgfeat.arena"],
    ["ecgfeat.summary"],
    ["ecgfeat.outputs", "ecgfeat.sensitivity"],
    ["ecgfeat.reviews", "ecgfeat.paper"],
    ["ecgfeat.look", "ecgfeat.deploy", "ecgfeat.diagnosis"],
    # Saliency reads how the signal of a system is prepared, which ecgfeat.deploy knows.
    ["ecgfeat.saliency"],
    ["ecgfeat.view"],
    ["ecgfeat.api"],
    ["ecgfeat"],
    ["ecgfeat.cli"],
    ["pipeline.params"],
    ["pipeline.read"],
    ["pipeline.run"],
    ["pipeline"],
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def room_of(module: str) -> str | None:
    """Return the room that a dotted name lies in; None for what is not ours."""
    parts = module.split(".")
    return next((room for room in (".".join(parts[:n]) for n in (3, 2, 1)) if room in FLOOR), None)


@pytest.mark.parametrize("path", sorted([*ROOT.glob("ecgfeat/**/*.py"), *ROOT.glob("pipeline/**/*.py")]), ids=str)
def test_no_import_climbs(path):
    room = room_of(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    assert room != "ecgfeat" or path == ROOT / "ecgfeat" / "__init__.py", "a package of its own, on no floor"
    for node in ast.walk(ast.parse(path.read_text())):
        assert getattr(node, "level", 0) == 0, "imports are absolute"
        named = [f"{node.module}.{alias.name}" for alias in node.names] if isinstance(node, ast.ImportFrom) else []
        named += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for below in filter(None, (room_of(name) for name in named)):
            assert room == below or FLOOR[below] < FLOOR[room], f"{room} imports {below}"
