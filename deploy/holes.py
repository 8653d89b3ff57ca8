#!/usr/bin/env python3
"""holes.py: which known holes the libraries of a built `daybook` have, by Debian's security tracker.

- reads what `make sbom` wrote, and the tracker's list (https://security-tracker.debian.org/tracker/data/json, some 70 MB), which
  is fetched by whoever may: nothing is asked of the network here
- a line for each hole of a Debian package of the bill, with the source package, the version that is there and the one that
  mends it; docs/operations.md, "Libraries with holes", says within which time it must be there
- what is not from Debian (jar files, Redoc) the tracker does not know: it says how many these are

usage: holes.py SBOM TRACKER [--release NAME]; exit code 3 when a hole has a mend that is not installed, 1 when something cannot
be read. Run by `make holes`.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

# Debian's word for holes that are none in its packages, and for those of which nobody knows yet.
NOT_COUNTED = {"unimportant"}
SOURCE, SOURCE_VERSION = "daybook:debian-source", "daybook:debian-source-version"


class Unreadable(Exception):
    pass


def own_release():
    named = re.search(r"^VERSION_CODENAME=\"?([a-z]+)", Path("/etc/os-release").read_text(), re.MULTILINE)
    if not named:
        raise Unreadable("/etc/os-release names no release: say --release")
    return named[1]


def is_older(version, other):
    asked = subprocess.run(["dpkg", "--compare-versions", version, "lt", other])
    if asked.returncode not in (0, 1):
        raise Unreadable(f"dpkg cannot compare {version} and {other}")
    return asked.returncode == 0


def sources_of(bom):
    """The version of each source package that the bill names, and how many components are none of Debian's."""
    sources, others = {}, 0
    for component in bom["components"]:
        properties = {one["name"]: one["value"] for one in component.get("properties", [])}
        if SOURCE in properties:
            sources[properties[SOURCE]] = properties[SOURCE_VERSION]
        else:
            others += 1
    return sources, others


def holes_of(source, version, tracker, release):
    """(name, urgency, version that mends it or None) of each hole that this version has."""
    for name, hole in sorted(tracker.get(source, {}).items()):
        here = hole.get("releases", {}).get(release)
        if here is None or here.get("urgency") in NOT_COUNTED:
            continue
        fixed = here.get("fixed_version")
        if here["status"] != "resolved":
            yield name, here.get("urgency", "not yet assigned"), None
        elif fixed != "0" and is_older(version, fixed):  # 0: it never had it
            yield name, here.get("urgency", "not yet assigned"), fixed


def read(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise Unreadable(f"{path}: {error}") from None


def main():
    arguments = argparse.ArgumentParser(description="which known holes the libraries of a built daybook have")
    arguments.add_argument("sbom", type=Path)
    arguments.add_argument("tracker", type=Path)
    arguments.add_argument("--release", help="Debian's name of it; this machine's, if it is not said")
    given = arguments.parse_args()
    mended = unmended = 0
    try:
        sources, others = sources_of(read(given.sbom))
        tracker = read(given.tracker)
        release = given.release or own_release()
        if not any(release in hole.get("releases", {}) for holes in tracker.values() for hole in holes.values()):
            raise Unreadable(f"{given.tracker}: nothing is said of the release {release}")
        for source, version in sorted(sources.items()):
            for name, urgency, fixed in holes_of(source, version, tracker, release):
                mended, unmended = (mended + 1, unmended) if fixed else (mended, unmended + 1)
                print(f"{name}\t{source} {version}\t{urgency}\t{f'mended in {fixed}' if fixed else 'no mend yet'}")
    except (Unreadable, KeyError, AttributeError, TypeError) as error:
        sys.exit(f"holes.py: {error!r}" if isinstance(error, (KeyError, TypeError)) else f"holes.py: {error}")
    print(
        f"{len(sources)} source packages of {release}: {mended} holes with a mend to install, {unmended} without; "
        f"{others} components are not Debian's, and were not looked at"
    )
    sys.exit(3 if mended else 0)


if __name__ == "__main__":
    main()
