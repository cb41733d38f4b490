"""A whole service inside this process: the API on a free port and a worker, for as long as the block lasts."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from app.main import create_app
from app.settings import Settings
from app.worker import Worker


@contextmanager
def running_service(settings: Settings, port: int = 0) -> Iterator[str]:
    """Serve the API and run a worker; yields the base URL once it answers."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((settings.host, port))
    server = uvicorn.Server(uvicorn.Config(create_app(settings), log_level="warning", access_log=False))
    stop = threading.Event()
    threads = [
        threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="api"),
        threading.Thread(target=lambda: Worker(settings).run_forever(stop), name="worker"),
    ]
    for thread in threads:
        thread.start()
    try:
        while not server.started and threads[0].is_alive():
            time.sleep(0.02)
        yield f"http://{settings.host}:{listener.getsockname()[1]}"
    finally:
        stop.set()
        server.should_exit = True
        for thread in threads:
            thread.join()
        listener.close()
