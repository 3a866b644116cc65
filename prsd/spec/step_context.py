"""What reading one step needs besides the step itself."""

from dataclasses import dataclass, field

from prsd.spec.arguments import Renderer
from prsd.spec.bindings import Bindings
from prsd.spec.components import Layers
from prsd.spec.node import Node
from prsd.spec.step_ports import LocalData


@dataclass(slots=True)
class LocalThings:
    """What a pipeline refers to on this machine; whoever has the files can check them."""

    data: list[LocalData] = field(default_factory=list)
    code: list[Node] = field(default_factory=list)
    # (entry script, code folder or None)
    scripts: list[tuple[Node, str | None]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class StepContext:
    """What reading a step needs besides the step."""

    name: str
    layers: Layers
    bindings: Bindings
    default_compute: str | None
    local: LocalThings

    @property
    def renderer(self) -> Renderer:
        return Renderer(self.name, self.bindings)
