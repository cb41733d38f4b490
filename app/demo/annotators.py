"""Simulated annotators: threads that lease, listen to nothing and answer over HTTP, as a program of a user would."""

import threading
import uuid
from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType

import httpx
import numpy as np


class Annotators(AbstractContextManager["Annotators"]):
    """One thread a token. Each answers with the clip's true label, or with probability `error` with another class.

    Args:
        base_url: of the service.
        tokens: bearer tokens of annotator accounts.
        project_id: whose clips.
        truth: clip id → label.
        classes: the scheme, to err in.
        error: probability of a wrong answer.
        seed: of the errors.
    """

    def __init__(
        self,
        base_url: str,
        tokens: list[str],
        project_id: int,
        truth: Mapping[int, str],
        classes: list[str],
        error: float,
        seed: int,
    ) -> None:
        self._base_url, self._project_id = base_url, project_id
        self._truth, self._classes, self._error = truth, classes, error
        self._stop = threading.Event()
        self.failures: list[str] = []
        self._threads = [
            threading.Thread(target=self._work, args=(token, np.random.default_rng([seed, i])), daemon=True)
            for i, token in enumerate(tokens)
        ]

    def __enter__(self) -> "Annotators":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self, token: str, rng: np.random.Generator) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=self._base_url, headers=headers, timeout=30) as http:
            while not self._stop.is_set():
                reply = http.post(f"/api/v1/projects/{self._project_id}/leases", json={"count": 4})
                if reply.is_error:
                    self.failures.append(reply.text)
                    return
                leases = reply.json()["leases"]
                for lease in leases:
                    self._answer(http, lease, rng)
                if not leases:
                    self._stop.wait(0.1)

    def _answer(self, http: httpx.Client, lease: dict[str, object], rng: np.random.Generator) -> None:
        label = self._truth[int(str(lease["clip_id"]))]
        if rng.random() < self._error:
            label = str(rng.choice([name for name in self._classes if name != label]))
        reply = http.post(
            f"/api/v1/leases/{lease['lease_id']}/annotation",
            json={"label": label},
            headers={"Idempotency-Key": str(uuid.uuid4())},
        )
        if reply.is_error and reply.status_code != 409:
            self.failures.append(reply.text)
