"""The list of everything that is installed to run Holdfast, as CycloneDX 1.6 JSON: `make sbom` writes build/sbom.json.

Names, versions and hashes are those of requirements.txt, licences those of docs/dependencies.txt, and who needs whom is
asked of what is installed. The same input gives the same file, byte for byte.
"""

import hashlib
import importlib.metadata
import json
import re
import sys
import tomllib
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements.txt"
LICENCES = ROOT / "docs" / "dependencies.txt"
PURL = "pkg:pypi/{}@{}"


def pinned(lock: Path = LOCK) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Name -> version and SHA-256 hashes, as a file of requirements has them."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for part in re.split(r"\n(?=\S)", lock.read_text(encoding="utf-8")):
        if match := re.match(r"([A-Za-z0-9._-]+)==([^\s;\\]+)", part):
            found[canonical(match[1])] = (match[2], tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})", part)))
    return found


def licences(file: Path = LICENCES) -> dict[str, str]:
    """Name -> SPDX expression."""
    lines = file.read_text(encoding="utf-8").splitlines()
    parts = (line.partition(" = ") for line in lines if line and not line.startswith("#"))
    return {name: licence for name, _, licence in parts}


def canonical(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needed_by(name: str, known: Mapping[str, Any]) -> list[str]:
    """The names among the known that a distribution asks for, as far as it is installed here."""
    try:
        wanted = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    names = {canonical(re.split(r"[^A-Za-z0-9._-]", one, maxsplit=1)[0]) for one in wanted if "extra ==" not in one}
    return sorted(names & set(known))


def bom() -> dict[str, Any]:
    """The list as plain values."""
    pins, terms = pinned(), licences()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    refs = {name: PURL.format(name, version) for name, (version, _) in pins.items()}
    own = PURL.format(project["name"], project["version"])
    direct = {canonical(re.split(r"[^A-Za-z0-9._-]", one, maxsplit=1)[0]) for one in project["dependencies"]}
    edges = {own: sorted(refs[name] for name in direct)}
    edges |= {refs[name]: [refs[one] for one in needed_by(name, pins)] for name in pins}
    digest = hashlib.sha256(LOCK.read_bytes() + LICENCES.read_bytes()).hexdigest()
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, digest)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": project["name"],
                "version": project["version"],
                "purl": own,
                "licenses": [{"expression": project["license"]}],
            }
        },
        "components": [
            {
                "type": "library",
                "bom-ref": refs[name],
                "name": name,
                "version": version,
                "purl": refs[name],
                "licenses": [{"expression": terms[name]}],
                # One version is published as several files; which of them is installed depends on the machine.
                "externalReferences": [
                    {
                        "type": "distribution",
                        "url": f"https://pypi.org/project/{name}/{version}/",
                        "hashes": [{"alg": "SHA-256", "content": one} for one in hashes],
                    }
                ],
            }
            for name, (version, hashes) in sorted(pins.items())
        ],
        "dependencies": [{"ref": ref, "dependsOn": needs} for ref, needs in sorted(edges.items())],
    }


def main(target: Path) -> None:
    """Write the file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(bom(), indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/sbom.json"))
