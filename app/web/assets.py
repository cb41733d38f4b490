"""Scripts and styles, served under a version so that a browser may keep them for ever."""

import hashlib
import re
from functools import cache
from importlib.metadata import version as installed_version
from importlib.util import find_spec
from pathlib import Path

FOLDER = Path(__file__).parent / "static"
# What comes out of installed packages, by name: the distribution, its import package, the path inside.
PACKAGED = {
    "plotly.min.js": ("plotly", "plotly", "package_data/plotly.min.js"),
    "swagger-ui-bundle.js": ("fastapi-swagger", "fastapi_swagger", "resources/swagger-ui-bundle.js"),
    "swagger-ui.css": ("fastapi-swagger", "fastapi_swagger", "resources/swagger-ui.css"),
}
_IMPORT = re.compile(r'^(?:import|export) [^;]*?"\./([\w-]+\.js)";', re.MULTILINE)


@cache
def files() -> dict[str, Path]:
    """What may be asked for, by name: a name that is not here is never turned into a path."""
    ours = {path.name: path for path in sorted(FOLDER.iterdir()) if path.is_file()}
    return ours | {name: _packaged(package, inside) for name, (_, package, inside) in PACKAGED.items()}


@cache
def _digest() -> str:
    sha256 = hashlib.sha256()
    for name, path in files().items():
        if name not in PACKAGED:
            sha256.update(name.encode() + path.read_bytes())
    return sha256.hexdigest()[:12]


def url(name: str) -> str:
    """The address of an asset. Modules import each other relatively, and so find the same version."""
    version = installed_version(PACKAGED[name][0]) if name in PACKAGED else _digest()
    return f"/static/{version}/{name}"


@cache
def modules_of(entry: str) -> tuple[str, ...]:
    """Every module a script imports, itself or through others, by name.

    A page names them to the browser at once: it would otherwise find each only after reading the one that imports it.
    """
    found: set[str] = set()
    unread = [entry]
    while unread:
        imported = _IMPORT.findall(files()[unread.pop()].read_text())
        unread += [name for name in imported if name not in found and name != entry]
        found.update(imported)
    return tuple(sorted(found - {entry}))


def _packaged(package: str, inside: str) -> Path:
    """A file inside an installed package, found without importing the package."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"{package} is not installed: `make` installs it with the other dependencies")
    return Path(spec.origin).parent / inside
