"""What we ask of a Label Studio server, over its REST API.

A personal access token (a JWT) is traded for short-lived ones; a legacy token is sent as it is.
"""

import http.client
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, Any, cast
from urllib.parse import urlencode

from app.errors import AppError
from app.label_studio.schemas import ACTIONS
from app.webhooks.addresses import resolve
from app.webhooks.wire import connected

Json = dict[str, Any]
TIMEOUT_S = 60.0
TASKS_A_PAGE = 500


class LabelStudioError(AppError):
    """Label Studio does not answer, or refuses; the sentence says what it said."""

    status, name = 502, "label_studio"


@dataclass(frozen=True, slots=True)
class LabelStudio:
    """A server and who we are there.

    Attributes:
        url: its address, with the path it lives under if it has one.
        token: a personal access token, or a legacy token.
        allow_private: whether it may be on a private network.
        access: the short-lived token a personal one was traded for.
    """

    url: str
    token: str
    allow_private: bool = False
    access: str | None = None

    def signed_in(self) -> "LabelStudio":
        """The same server with a fresh short-lived token, where the token is a personal one."""
        if self.token.count(".") != 2:
            return self
        answer = self._call("POST", "/api/token/refresh", {"refresh": self.token}, signed=False)
        return replace(self, access=str(answer["access"]))

    def create_project(self, title: str, config: str, instructions: str) -> int:
        """A new project's id."""
        body: Json = {"title": title[:50], "label_config": config, "expert_instruction": instructions}
        body |= {"show_instruction": bool(instructions), "show_collab_predictions": False}
        return int(self._call("POST", "/api/projects/", body)["id"])

    def change_project(self, project: int, **changes: Any) -> None:
        """Set fields of a project."""
        self._call("PATCH", f"/api/projects/{project}/", changes)

    def add_tasks(self, project: int, tasks: Sequence[Json]) -> list[int]:
        """Import tasks; their ids, in order."""
        answer = self._call("POST", f"/api/projects/{project}/import?return_task_ids=true", list(tasks))
        ids = answer.get("task_ids")
        if not isinstance(ids, list) or len(ids) != len(tasks):
            raise LabelStudioError(f"Label Studio took {answer.get('task_count')} of {len(tasks)} tasks: push again")
        return [int(each) for each in ids]

    def tasks(self, project: int) -> Iterator[Json]:
        """Every task of a project, without its annotations."""
        page = 1
        while True:
            query = urlencode({"project": project, "page": page, "page_size": TASKS_A_PAGE, "fields": "task_only"})
            answer = self._call("GET", f"/api/tasks?{query}")
            yield from answer["tasks"]
            if page * TASKS_A_PAGE >= int(answer["total"]):
                return
            page += 1

    def delete_task(self, task: int) -> None:
        """Remove a task."""
        self._call("DELETE", f"/api/tasks/{task}/")

    def people(self) -> dict[int, str]:
        """The addresses behind the ids of its annotators."""
        answer = self._call("GET", "/api/users/")
        rows = answer if isinstance(answer, list) else answer.get("results", [])
        return {int(row["id"]): str(row.get("email") or row.get("username") or row["id"]) for row in rows}

    def call_us(self, project: int, url: str, header: str, secret: str) -> None:
        """Have Label Studio call us when somebody answers; a webhook that is there already is kept."""
        hooks = self._call("GET", f"/api/webhooks/?project={project}")
        rows = hooks if isinstance(hooks, list) else hooks.get("results", [])
        if any(hook.get("url") == url and hook.get("headers", {}).get(header) == secret for hook in rows):
            return
        body = {"project": project, "url": url, "headers": {header: secret}, "actions": list(ACTIONS)}
        self._call("POST", "/api/webhooks/", body | {"send_payload": True, "send_for_all_actions": False})

    @contextmanager
    def exported(self, project: int) -> Iterator[IO[bytes]]:
        """All tasks with their annotations, as a stream of JSON."""
        path = f"/api/projects/{project}/export?exportType=JSON&download_all_tasks=false"
        with self._answer("GET", path, None, signed=True) as answer:
            yield cast(IO[bytes], answer)

    def _call(self, method: str, path: str, body: Any = None, signed: bool = True) -> Any:
        with self._answer(method, path, body, signed) as answer:
            text = answer.read()
        try:
            return json.loads(text) if text.strip() else {}
        except ValueError:
            raise LabelStudioError(f"{self.url} answered {path} with no JSON: is it Label Studio?") from None

    @contextmanager
    def _answer(self, method: str, path: str, body: Any, signed: bool) -> Iterator[http.client.HTTPResponse]:
        target = resolve(self.url.rstrip("/") + path, self.allow_private)
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if signed:
            headers["Authorization"] = f"Bearer {self.access}" if self.access else f"Token {self.token}"
        try:
            with connected(target, TIMEOUT_S) as connection:
                connection.request(method, target.path, None if body is None else json.dumps(body), headers)
                answer = connection.getresponse()
                if answer.status >= 300:
                    said = answer.read(500).decode("utf-8", "replace")
                    raise LabelStudioError(f"Label Studio answered {method} {path} with {answer.status}: {said}")
                yield answer
        except (OSError, http.client.HTTPException) as error:
            raise LabelStudioError(f"Label Studio at {self.url} cannot be asked ({error}): is it up?") from error
