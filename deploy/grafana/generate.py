"""Write `deploy/grafana/dashboards/` from the boards: `make reference`."""

from __future__ import annotations

from pathlib import Path

from bus.texts import Language
from deploy.grafana.boards import ALL
from deploy.grafana.render import rendered

FOLDER = Path(__file__).parent / "dashboards"


def files() -> dict[str, str]:
    """Give each file's path below `dashboards/`, and what is to stand in it."""
    return {
        f"{language}/{board.uid}.json": rendered(board, language)
        for language in Language
        for board in ALL
    }


def main() -> None:
    """Write them, and remove what no board makes any more."""
    wanted = files()
    for old in FOLDER.rglob("*.json"):
        if str(old.relative_to(FOLDER)) not in wanted:
            old.unlink()
    for name, content in wanted.items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
