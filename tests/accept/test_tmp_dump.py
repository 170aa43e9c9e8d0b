from pathlib import Path
from ultracluster.accept.session import STAGES
def test_dump(world):
    session = world.accept(*(stage.name for stage in STAGES))
    Path("/tmp/nodelog/said.txt").write_text("\n".join(world.said))
    assert session.status == 0
