#!/usr/bin/env python3
"""sbom.py: what a built `daybook` consists of besides its own code, as a CycloneDX 1.5 document.

- the shared libraries that it names (NEEDED), and those that these name in turn, each with the Debian package, version and
  licence that it comes from on this machine; the edges say who needs whom
- llhttp, which is compiled in
- what `make run` starts or shows beside it and `make deps` has copied: Kafka's jar files and Redoc, of scope `optional`

The same machine gives the same bytes: no time is in it unless SOURCE_DATE_EPOCH says one.

usage: sbom.py BINARY [--var FOLDER] [--out FILE]; exit code 1 when a library belongs to no package. Run by `make sbom`.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import uuid
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[1]
# What Debian's copyright files call otherwise than SPDX does. What is in neither is told by its name.
SPDX = {
    "expat": "MIT",
    "mit": "MIT",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "isc": "ISC",
    "zlib": "Zlib",
    "curl": "curl",
    "postgresql": "PostgreSQL",
    "openldap-2.8": "OLDAP-2.8",
    "apache-2.0": "Apache-2.0",
    "lgpl-2.1+": "LGPL-2.1-or-later",
    "lgpl-2+": "LGPL-2.0-or-later",
    "lgpl-3+": "LGPL-3.0-or-later",
    "gpl-2": "GPL-2.0-only",
    "gpl-2+": "GPL-2.0-or-later",
    "gpl-3+": "GPL-3.0-or-later",
    "mpl-2.0": "MPL-2.0",
}
# Where the copyright file is prose: what it says of the library.
SPDX_OF_PACKAGES = {
    "libc6": "LGPL-2.1-or-later",
    "libgcc-s1": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libgnutls30": "LGPL-2.1-or-later",
    "librtmp1": "LGPL-2.1-or-later",
    "libtasn1-6": "LGPL-2.1-or-later",
}


class NoPackage(Exception):
    pass


def output_of(*command):
    return subprocess.run([*map(str, command)], check=True, capture_output=True, text=True).stdout


def needed_by(path):
    return re.findall(r"\(NEEDED\)\s+Shared library: \[([^]]+)\]", output_of("readelf", "-dW", path))


def known_libraries():
    """The file that the loader takes for each name, of this machine's own kind."""
    found = {}
    bits = "64" if sys.maxsize > 2**32 else "32"
    for line in output_of("/sbin/ldconfig", "-p").splitlines():
        entry = re.match(r"\s+(\S+) \(([^)]*)\) => (\S+)", line)
        if entry and bits in entry[2] and "x32" not in entry[2]:
            found.setdefault(entry[1], entry[3])
    return found


def closure(binary):
    """Which libraries are needed by the binary and by each of them: {soname: [sonames]}, and {soname: file}."""
    known = known_libraries()
    edges, files, waiting = {}, {}, list(needed_by(binary))
    while waiting:
        name = waiting.pop()
        if name in edges:
            continue
        if name not in known:
            raise NoPackage(f"{name} is needed, but the loader does not know it")
        files[name] = known[name]
        edges[name] = [one for one in needed_by(known[name]) if not one.startswith("ld-linux")]
        waiting += edges[name]
    return edges, files


def packages_of(paths):
    """The Debian package that each of these files is from. Of /lib and /usr/lib, which are one folder, dpkg knows either."""
    names = {}
    for path in paths:
        plain = os.path.realpath(path).removeprefix("/usr")
        names |= {plain: path, f"/usr{plain}": path}
    # It ends with 1, as it does not know half of them.
    asked = subprocess.run(["dpkg-query", "-S", *names], capture_output=True, text=True)
    found = {}
    for line in asked.stdout.splitlines():
        owners, _, name = line.rpartition(": ")
        if name in names:
            found[names[name]] = owners.split(",")[0].split(":")[0]
    for path in paths:
        if path not in found:
            raise NoPackage(f"{path} is of no Debian package")
    return found


def licence_of(package):
    if package in SPDX_OF_PACKAGES:
        return [{"expression": SPDX_OF_PACKAGES[package]}]
    try:
        text = Path(f"/usr/share/doc/{package}/copyright").read_text(errors="replace")
    except FileNotFoundError:
        return []
    # The paragraph of all files, else the first one of any.
    for pattern in (r"^Files: *\*\s.*?^License: *(\S[^\n]*)", r"^License: *(\S[^\n]*)"):
        named = re.search(pattern, text, re.MULTILINE | re.DOTALL)
        if named:
            name = named[1].strip()
            return [{"license": {"id": SPDX[name.lower()]} if name.lower() in SPDX else {"name": name}}]
    return [{"license": {"name": f"see /usr/share/doc/{package}/copyright"}}]


def distribution():
    lines = Path("/etc/os-release").read_text().splitlines()
    fields = dict(line.split("=", 1) for line in lines if "=" in line)
    return f"{fields.get('ID', 'debian')}-{fields.get('VERSION_ID', '')}".replace('"', "")


def component_of_package(package, distro):
    fields = "${Version}\t${Architecture}\t${source:Package}\t${source:Version}\t${Maintainer}"
    told = output_of("dpkg-query", "-W", "-f", fields, package).splitlines()[0]
    version, arch, source, source_version, maintainer = told.split("\t")
    purl = f"pkg:deb/debian/{package}@{quote(version, safe='~')}?arch={arch}&distro={distro}"
    return {
        "type": "library",
        "bom-ref": purl,
        "supplier": {"name": maintainer},
        "name": package,
        "version": version,
        "scope": "required",
        "licenses": licence_of(package),
        "purl": purl,
        "properties": [
            {"name": "daybook:debian-source", "value": source},
            {"name": "daybook:debian-source-version", "value": source_version},
        ],
    }


def linked(binary):
    """Components, and who depends on whom by their references; the binary's own are under None."""
    edges, files = closure(binary)
    distro = distribution()
    owners = packages_of(files.values())
    package = {name: owners[path] for name, path in files.items()}
    components = {one: component_of_package(one, distro) for one in sorted(set(package.values()))}
    for name in sorted(files):
        components[package[name]]["properties"].append({"name": "daybook:soname", "value": name})
    depends = {None: {package[name] for name in needed_by(binary)}}
    for name, needs in edges.items():
        depends.setdefault(package[name], set()).update(package[one] for one in needs if package[one] != package[name])
    reference = {one: component["bom-ref"] for one, component in components.items()}
    return list(components.values()), {
        reference.get(one): sorted(reference[other] for other in others) for one, others in depends.items()
    }


def compiled_in():
    component = component_of_package("node-llhttp", distribution())
    component["properties"].append({"name": "daybook:linkage", "value": "its C source is compiled into the program"})
    return component


def sha256_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def component_of_jar(path):
    """Maven's coordinates stand in most jar files; Kafka's own have none, and their names say enough."""
    name, version = re.match(r"(.+?)-(\d[\w.-]*)\.jar$", path.name).groups()
    group = "org.apache.kafka" if re.match(r"(kafka|connect)[-_]", path.name) else None
    with zipfile.ZipFile(path) as jar:
        found = [one for one in jar.namelist() if re.fullmatch(r"META-INF/maven/[^/]+/[^/]+/pom\.properties", one)]
        for one in found:
            _, _, its_group, artifact, _ = one.split("/")
            if artifact == name:
                group = its_group
        manifest = jar.read("META-INF/MANIFEST.MF").decode(errors="replace") if "META-INF/MANIFEST.MF" in jar.namelist() else ""
    licence = re.search(r"^Bundle-License: *((?:[^\r\n]|\r?\n )+)", manifest, re.MULTILINE)
    component = {
        "type": "library",
        "bom-ref": f"jar:{path.name}",
        **({"group": group} if group else {}),
        "name": name,
        "version": version,
        "scope": "optional",
        "hashes": [{"alg": "SHA-256", "content": sha256_of(path)}],
    }
    if licence:
        text = re.sub(r"\r?\n ", "", licence[1]).strip().strip('"')
        component["licenses"] = [{"license": {"name": text}}]
    elif group == "org.apache.kafka":
        component["licenses"] = [{"license": {"id": "Apache-2.0"}}]
    if group:
        component["purl"] = f"pkg:maven/{group}/{name}@{version}"
    return component


def copied(var):
    """What make deps has brought into var/, as far as it is there."""
    yield from (component_of_jar(path) for path in sorted((var / "kafka-libs").glob("*.jar")))
    redoc = var / "docs" / "redoc.standalone.js"
    if redoc.exists():
        version = re.search(r"^REDOC=redoc@(\S+)$", (ROOT / "deploy/local/deps.sh").read_text(), re.MULTILINE)[1]
        yield {
            "type": "library",
            "bom-ref": f"pkg:npm/redoc@{version}",
            "name": "redoc",
            "version": version,
            "scope": "optional",
            "hashes": [{"alg": "SHA-256", "content": sha256_of(redoc)}],
            "licenses": [{"license": {"id": "MIT"}}],
            "purl": f"pkg:npm/redoc@{version}",
        }


def version_of_tree():
    asked = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return asked.stdout.strip() or "unknown"


def document(binary, var):
    libraries, depends = linked(binary)
    llhttp = compiled_in()
    others = list(copied(var))
    program = {
        "type": "application",
        "bom-ref": "daybook",
        "name": "daybook",
        "version": version_of_tree(),
        "hashes": [{"alg": "SHA-256", "content": sha256_of(binary)}],
    }
    own = sorted([*depends.pop(None), llhttp["bom-ref"]])
    bom = {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "deploy/sbom.py"}]},
            "component": program,
        },
        "components": [*libraries, llhttp, *others],
        "dependencies": [
            {"ref": "daybook", "dependsOn": own},
            *({"ref": one, "dependsOn": needs} for one, needs in sorted(depends.items())),
            {"ref": llhttp["bom-ref"], "dependsOn": []},
        ],
    }
    if "SOURCE_DATE_EPOCH" in os.environ:
        moment = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC)
        bom["metadata"]["timestamp"] = moment.isoformat().replace("+00:00", "Z")
    name = hashlib.sha256(json.dumps(bom, sort_keys=True).encode()).hexdigest()
    bom["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, name)}"
    return bom


def main():
    arguments = argparse.ArgumentParser(description="what a built daybook consists of, as CycloneDX 1.5")
    arguments.add_argument("binary", type=Path)
    arguments.add_argument("--var", type=Path, default=ROOT / "var")
    arguments.add_argument("--out", type=Path)
    given = arguments.parse_args()
    try:
        text = json.dumps(document(given.binary, given.var), indent=2) + "\n"
    except (NoPackage, OSError) as error:
        sys.exit(f"sbom.py: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"sbom.py: {' '.join(error.cmd)}: {error.stderr.strip()}")
    if given.out:
        given.out.write_text(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
