"""Pushes on disk as the endpoint leaves them, and the rows they become."""

from datetime import UTC, datetime
from pathlib import Path

from pipelines.landing.landing import Landing
from pipelines.landing.segments.frames import frame_bytes
from pipelines.operations import daily
from pipelines.settings import Settings
from pipelines.warehouse.database import warehouse_of

AT = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


def push(settings: Settings, *bodies: bytes, at: datetime = AT, is_open: bool = False) -> Path:
    """Land pushes as the endpoint does: sealed, or open as after a kill."""
    path = Landing(settings.data_dir / "landing").pushes.new_path(at)
    content = b"".join(frame_bytes({"received_at": at.isoformat(), "peer": "127.0.0.1"}, body) for body in bodies)
    path = path.with_name(path.name + ".open") if is_open else path
    path.write_bytes(content)
    return path


def rows(settings: Settings, query: str) -> list[tuple[object, ...]]:
    """The rows of a query, once all that has landed is loaded."""
    daily.load(settings)
    with warehouse_of(settings).read() as connection:
        return connection.execute(query).fetchall()
