"""`afterloop serve` and `afterloop worker`: the two processes of the service."""

import ctypes
import signal
import sys
import threading
from types import FrameType

import typer


def serve(
    worker: bool = typer.Option(True, help="Also run a worker in this process, for a single machine."),
    host: str | None = typer.Option(None, help="Address to listen on (AFTERLOOP_HOST)."),
    port: int | None = typer.Option(None, help="Port to listen on (AFTERLOOP_PORT)."),
) -> None:
    """Serve the API and the pages, with a worker beside them.

    Example: afterloop serve --port 9000
    """
    import uvicorn

    from app.cli.opening import open_database
    from app.main import create_app
    from app.settings import get_settings
    from app.worker import Worker

    _share_memory_between_threads()
    settings = get_settings()
    open_database(settings).dispose()
    stop = threading.Event()
    thread = threading.Thread(target=lambda: Worker(settings).run_forever(stop), name="worker")
    if worker:
        thread.start()
    try:
        uvicorn.run(
            create_app(settings),
            host=host or settings.host,
            port=settings.port if port is None else port,
            log_level="info",
            access_log=False,
            timeout_graceful_shutdown=5,  # an open event stream must not hold the process
        )
    finally:
        stop.set()
        if worker:
            thread.join()


def _share_memory_between_threads() -> None:
    """Two malloc arenas instead of eight a core, and large blocks given back at once (glibc only).

    What an upload's thread frees, the next one uses; left alone, glibc keeps ever larger freed blocks to itself.
    """
    m_mmap_threshold, m_arena_max = -3, -8
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(m_arena_max, 2)
        mallopt(m_mmap_threshold, 256 * 1024)


def worker() -> None:
    """Claim and run jobs until told to stop; start as many as there are machines.

    Example: AFTERLOOP_DATABASE_URL=postgresql+psycopg://… afterloop worker
    """
    from app.cli.opening import open_database
    from app.settings import get_settings
    from app.worker import Worker

    settings = get_settings()
    open_database(settings).dispose()
    stop = threading.Event()

    def ask_to_stop(_: int, __: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    Worker(settings).run_forever(stop)
