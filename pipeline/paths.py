"""Where the data that comes with the project lies: in a checkout at its top, in an installed wheel inside the package.

The listing of these folders is the registry of domains and rubrics. A folder is a checkout iff `pyproject.toml` lies in
it: the mere presence of a `domains` folder would also fit another distribution's next to an installed package.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import BadInput

_PACKAGE = Path(__file__).resolve().parent


def domains_root(package: Path = _PACKAGE) -> Path:
    """The folder whose subfolders are the domains. Raises BadInput when the installation lacks it."""
    return _data("domains", package)


def rubrics_root(package: Path = _PACKAGE) -> Path:
    """The folder whose `<name>.yaml` files are the rubrics. Raises BadInput when the installation lacks it."""
    return _data("rubrics", package)


def _data(name: str, package: Path) -> Path:
    checkout = (package.parent / "pyproject.toml").is_file()
    folder = package.parent / name if checkout else package / "_data" / name
    if not folder.is_dir():
        raise BadInput(
            f"the folder of {name} is missing",
            where=str(folder),
            remedy=f"`git checkout {name}` restores it." if checkout else "Install toolworlds again.",
        )
    return folder
