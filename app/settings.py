"""The only reader of the environment. Every variable starts with AFTERLOOP_; `.env.example` lists them."""

from functools import cache
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where the service keeps things and the limits it holds its callers to."""

    model_config = SettingsConfigDict(env_prefix="AFTERLOOP_", env_file=".env", extra="ignore")

    data: Path = Field(default=Path("var"), description="Folder of blobs, features, checkpoints and the SQLite file.")
    database_url: str | None = Field(default=None, description="SQLAlchemy URL; SQLite inside `data` when unset.")
    host: str = Field(default="127.0.0.1", description="Address the API listens on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port the API listens on.")
    max_upload_mb: float = Field(default=200, gt=0, description="Largest request body, in megabytes.")
    max_clip_s: float = Field(default=30, gt=0.2, description="Longest clip, in seconds; longer ones are refused.")
    job_lease_s: float = Field(default=30, gt=0, description="Seconds a job stays with a silent worker.")
    poll_s: float = Field(default=0.2, gt=0, description="Seconds between two looks of an idle worker at the queue.")
    import_root: Path | None = Field(
        default=None, description="Folder below which the API may import manifests; unset refuses imports by path."
    )
    noise: Path | None = Field(
        default=None, description="Folder of noise recordings for checkpoints examined under them; workers read it."
    )
    webhook_timeout_s: float = Field(default=10, gt=0, description="Seconds a webhook has to answer.")
    webhook_attempts: int = Field(default=12, ge=1, description="Tries before a delivery is given up.")
    webhook_backoff_s: float = Field(
        default=5, gt=0, description="Seconds until the second try; every failure doubles them, up to an hour."
    )
    webhook_lease_s: float | None = Field(
        default=None, gt=0, description="Seconds a courier keeps what it claimed; unset fits the timeout."
    )
    webhook_log_days: float = Field(default=30, gt=0, description="Days for which ended deliveries are kept.")
    webhook_log_most: int = Field(default=10_000, ge=0, description="Ended deliveries that a webhook keeps at most.")
    webhook_allow_private: bool = Field(
        default=False, description="Whether webhooks and Label Studio may be on a private network."
    )
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="What is logged.")
    gpu: str = Field(
        default="auto", pattern="^(auto|yes|no)$", description="Whether workers have a GPU; auto: as this machine does."
    )
    executor: str = Field(default="local", pattern="^local$", description="Where heavy work runs.")

    @property
    def url(self) -> str:
        """The database's SQLAlchemy URL."""
        return self.database_url or f"sqlite:///{(self.data / 'afterloop.db').absolute()}"

    @property
    def blobs(self) -> Path:
        """The folder of audio kept by content."""
        return self.data / "blobs"


@cache
def get_settings() -> Settings:
    """The process's settings, read once."""
    return Settings()
