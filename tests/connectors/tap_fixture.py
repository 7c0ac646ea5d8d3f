"""A small Singer tap, run as a program: what it has, and what goes wrong with it, stands in the file named `world`.

It follows the specification 0.3.0 and shares nothing with the connector. Each run leaves a line in `<world>.log`.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any


def say(**message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")


def stop(text: str, code: int = 1) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"INFO starting\nCRITICAL {text}\n")
    raise SystemExit(code)


def option(name: str) -> Any:
    return json.loads(Path(sys.argv[sys.argv.index(name) + 1]).read_text()) if name in sys.argv else None


def catalog(world: dict[str, Any]) -> dict[str, Any]:
    streams = []
    for name, one in world["streams"].items():
        properties = {key: {"type": ["null", "string"]} for key in one["fields"]}
        keys = [{"breadcrumb": [], "metadata": {"table-key-properties": ["id"]}}]
        keys += [{"breadcrumb": ["properties", "id"], "metadata": {"inclusion": "automatic"}}]
        schema = {"type": "object", "properties": properties}
        streams.append({"tap_stream_id": name, "stream": name, "schema": schema, "metadata": keys})
    return {"streams": [*streams, *world.get("odd_streams", ())]}


def wanted(chosen: Any) -> list[tuple[str, set[str]]]:
    """Selected streams with their selected fields."""
    found = []
    for one in chosen["streams"]:
        about = {tuple(m["breadcrumb"]): m["metadata"] for m in one["metadata"]}
        if about[()].get("selected"):
            names = [place[1] for place, m in about.items() if len(place) == 2]
            on = {n for n in names if about["properties", n].get("selected") or about["properties", n].get("inclusion")}
            found.append((one["stream"], on))
    return found


def trouble(world: dict[str, Any], number: int) -> None:
    """What goes wrong before the record of this number."""
    if world.get("at") != number:
        return
    sys.stdout.write(world.get("print", ""))
    sys.stdout.flush()
    if world.get("child"):  # it leaves something running that keeps the output open
        if os.fork():
            os._exit(0)
        time.sleep(600)
    if world.get("hang"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    if world.get("signal"):
        os.kill(os.getpid(), world["signal"])
    if "say" in world:
        stop(world["say"])


def run(world: dict[str, Any], path: Path, state: Any) -> None:
    chosen = option("--catalog") or option("--properties")
    streams = wanted(chosen) if chosen else [(name, set[str]()) for name in world["streams"]]
    for name, fields in streams:
        one = world["streams"][name]
        say(type="SCHEMA", stream=name, schema={"type": "object"}, key_properties=["id"])
        say(type="WHATEVER", stream=name)
        since = state.get("bookmarks", {}).get(name, 0)
        once = world.get("once", {}).pop(name, None)
        if once is not None:
            path.write_text(json.dumps(world))
        version = {"version": one["version"]} if "version" in one else {}
        for number, row in enumerate(once if once is not None else one["rows"]):
            trouble(world, number)
            if not isinstance(row, dict):
                say(type="RECORD", stream=name, record=row, **version)
                continue
            if not one.get("full") and not version and row.get("updated", since) < since:
                continue
            kept = {key: value for key, value in row.items() if not fields or key in fields or key not in one["fields"]}
            say(type="RECORD", stream=name, record=kept, time_extracted="2026-11-22T00:00:00Z", **version)
            if number % 5 == 4 and not one.get("silent"):
                say(type="STATE", value={"bookmarks": {**state.get("bookmarks", {}), name: row.get("updated", since)}})
        trouble(world, len(one["rows"]))
        if version:
            say(type="ACTIVATE_VERSION", stream=name, **version)
        if not one.get("silent"):
            newest = max((row["updated"] for row in one["rows"]), default=since)
            say(type="STATE", value={"bookmarks": {**state.get("bookmarks", {}), name: newest}})


def main() -> None:
    config = option("--config")
    path = Path(config["world"])
    world = json.loads(path.read_text())
    line = {"words": sys.argv[1:], "env": dict(os.environ), "config": config, "state": option("--state")}
    line["modes"] = {one.name: one.stat().st_mode & 0o777 for one in (*Path().iterdir(), Path().absolute())}
    with path.with_suffix(".log").open("a") as log:
        log.write(json.dumps(line) + "\n")
    sys.stderr.write(world.get("noise", ""))
    if config.get("token") != world["token"]:
        stop(f"tap.client: 401 Unauthorized: what is {config.get('token')}?")
    if "renew" in world:
        Path("config.json").write_text(json.dumps({**config, "refresh": world["renew"]}))
    if "--discover" in sys.argv:
        sys.stdout.write(world.get("discovered") or json.dumps(catalog(world), indent=2))
    else:
        run(world, path, option("--state") or {})
        sys.stdout.write(world.get("last", ""))
        if world.get("stay"):  # it has said all, and does not go
            sys.stdout.flush()
            os.close(1)
            os.close(2)
            time.sleep(600)


if __name__ == "__main__":
    main()
