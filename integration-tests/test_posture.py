"""How the program stands before anybody attacks it: what the compiler built in, what it consists of, and what it gave up
when it began to serve."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from harness.daybook import BINARY, Daybook
from harness.processes import clean_environment
from harness.shop import Shop
from harness.stack import ROOT

SECRET = "canary-of-the-webhooks-32-bytes-long"
PASSWORD = "canary-of-the-database"
# Of a process that must not be traced, the kernel shows these files to root alone.
only_root_sees = pytest.mark.skipif(os.geteuid() != 0, reason="the kernel shows it to root alone")
CANARIES = (SECRET.encode(), PASSWORD.encode())


def readelf(*arguments):
    return subprocess.run(["readelf", "-W", *map(str, arguments)], check=True, capture_output=True, text=True).stdout


# ---- what the compiler and the linker built in ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def segments():
    return readelf("-l", BINARY)


@pytest.fixture(scope="module")
def dynamic():
    return readelf("-d", BINARY)


def test_the_program_lies_anywhere_and_nothing_in_it_is_written_and_run(segments, dynamic):
    assert "Type:                              DYN" in readelf("-h", BINARY)
    assert re.search(r"\(FLAGS_1\).*\bPIE\b", dynamic)
    assert "TEXTREL" not in dynamic
    (stack,) = re.findall(r"GNU_STACK(?:\s+0x\S+){5} ([RWE ]{3})", segments)
    assert stack == "RW "
    assert not re.findall(r"LOAD(?:\s+0x\S+){5} RWE", segments)


def test_what_the_loader_has_filled_in_cannot_be_written(segments, dynamic):
    assert "GNU_RELRO" in segments
    assert re.search(r"\(FLAGS\).*\bBIND_NOW\b", dynamic) and re.search(r"\(FLAGS_1\).*\bNOW\b", dynamic)


def test_libraries_are_found_where_the_system_has_them(dynamic):
    assert "RPATH" not in dynamic and "RUNPATH" not in dynamic


def test_the_stack_has_canaries_and_libc_checks_sizes():
    symbols = readelf("--dyn-syms", BINARY)
    assert "__stack_chk_fail" in symbols
    checked = set(re.findall(r"\b(__\w+_chk)@", symbols))
    assert {"__snprintf_chk", "__vsnprintf_chk", "__fprintf_chk", "__memcpy_chk"} <= checked, checked


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="x86's landing pads")
def test_each_object_has_landing_pads_and_agrees_with_a_shadow_stack():
    """The program itself says so only where libc's own start files do, which Debian 12's do not."""
    notes = readelf("-n", BINARY.parent / "libdaybook.a")
    of_files = re.findall(r"File: \S+\((\S+?)\)\n(.*?)(?=\nFile: |\Z)", notes, re.DOTALL)
    assert len(of_files) > 200
    assert not [name for name, note in of_files if not re.search(r"x86 feature:.*IBT.*SHSTK", note)]


# ---- what it consists of -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sbom(tmp_path_factory):
    path = tmp_path_factory.mktemp("sbom") / "sbom.json"
    subprocess.run([sys.executable, ROOT / "deploy" / "sbom.py", BINARY, "--out", path], check=True)
    return json.loads(path.read_text())


def sonames(component):
    return {one["value"] for one in component.get("properties", []) if one["name"] == "daybook:soname"}


def test_the_bill_of_materials_is_cyclonedx(sbom):
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(json.dumps(sbom)) is None
    bad = sbom | {"components": [{"type": "library"}]}
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(json.dumps(bad)) is not None


def test_the_bill_names_what_the_program_needs_and_no_more(sbom, dynamic):
    needed = set(re.findall(r"\(NEEDED\)\s+Shared library: \[([^]]+)\]", dynamic))
    components = {one["bom-ref"]: one for one in sbom["components"]}
    (own,) = [one["dependsOn"] for one in sbom["dependencies"] if one["ref"] == "daybook"]
    direct = [components[one] for one in own if components[one]["name"] != "node-llhttp"]
    assert len(direct) == len(own) - 1
    assert needed <= set().union(*(sonames(one) for one in direct))
    assert all(sonames(one) & needed for one in direct)
    for one in sbom["components"]:
        assert one["version"], one
        assert one["scope"] == "optional" or one["licenses"] and one["purl"].startswith("pkg:deb/"), one


# ---- and which holes are known in that ------------------------------------------------------------------------------------


def hole(release, status, fixed=None, urgency="medium"):
    return {"releases": {release: {"status": status, "urgency": urgency} | ({"fixed_version": fixed} if fixed else {})}}


def holes(tmp_path, bom, tracker, *arguments):
    """What holes.py says, and with what it ends."""
    (tmp_path / "bom.json").write_text(json.dumps(bom))
    (tmp_path / "tracker.json").write_text(tracker if isinstance(tracker, str) else json.dumps(tracker))
    command = [sys.executable, ROOT / "deploy" / "holes.py", tmp_path / "bom.json", tmp_path / "tracker.json", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return ended.returncode, ended.stdout + ended.stderr


def test_a_hole_that_has_a_mend_is_told_with_the_version_that_mends_it(tmp_path, sbom):
    versions = {
        properties["daybook:debian-source"]: properties["daybook:debian-source-version"]
        for one in sbom["components"]
        if "daybook:debian-source" in (properties := {each["name"]: each["value"] for each in one.get("properties", [])})
    }
    assert {"openssl", "curl", "libuv1", "node-undici"} & set(versions)
    ssl = versions["openssl"]
    tracker = {
        "openssl": {
            "CVE-1": hole("bookworm", "resolved", f"{ssl}+deb12u99", "high"),
            "CVE-2": hole("bookworm", "resolved", ssl),  # it is installed
            "CVE-3": hole("bookworm", "resolved", "0"),  # it never had it
            "CVE-4": hole("bookworm", "open"),
            "CVE-5": hole("bookworm", "open", urgency="unimportant"),
            "CVE-6": hole("trixie", "resolved", "99:1"),
        },
        "nobody-needs-this": {"CVE-7": hole("bookworm", "resolved", "99:1")},
    }
    code, said = holes(tmp_path, sbom, tracker, "--release", "bookworm")
    assert code == 3
    assert f"CVE-1\topenssl {ssl}\thigh\tmended in {ssl}+deb12u99\n" in said
    assert f"CVE-4\topenssl {ssl}\tmedium\tno mend yet\n" in said
    assert set(re.findall(r"CVE-\d", said)) == {"CVE-1", "CVE-4"}
    assert "1 holes with a mend to install, 1 without" in said
    del tracker["openssl"]["CVE-1"]
    assert holes(tmp_path, sbom, tracker, "--release", "bookworm")[0] == 0


def test_a_list_that_says_nothing_is_no_good_news(tmp_path, sbom):
    for tracker in ({}, {"openssl": {}}, {"openssl": {"CVE-1": hole("trixie", "open")}}, "not JSON", "[]"):
        code, said = holes(tmp_path, sbom, tracker, "--release", "bookworm")
        assert code == 1 and said.startswith("holes.py: "), said


# ---- what it gave up -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hardened(stack):
    """A service as it runs where money is real: no development, a user of its own, secrets in its environment."""
    installation = Daybook(stack, name="posture", development="false", provider_webhook_secret=SECRET)
    installation.settings["postgres"] += f" password={PASSWORD}"
    installation.service.environment = installation.environment()
    installation.provider.environment = installation.environment()
    installation.service.directory = installation.directory
    try:
        yield installation.install().start()
    finally:
        installation.discard()


def threads_of(pid):
    for task in Path(f"/proc/{pid}/task").iterdir():
        yield dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)


def test_it_serves_in_its_sandbox(hardened):
    assert "sandbox" not in hardened.service.log()  # nothing was missing
    with hardened.client() as client:
        shop = Shop(client)
        shop.sells("posture", 100, 10)
        order = shop.buy(("posture", 1))
        assert shop.order(order["id"])["status"] == "confirmed"
    threads = list(threads_of(hardened.service.pid))
    assert len(threads) > 5
    for thread in threads:
        assert thread["NoNewPrivs"] == "1" and thread["Seccomp"] == "2", thread["Name"]
        assert "0" not in thread["Uid"].split(), thread["Name"]
        assert int(thread["CapEff"], 16) == 0, thread["Name"]


@only_root_sees
def test_no_secret_stands_where_the_kernel_shows_it(hardened):
    for name in ("environ", "cmdline"):
        shown = Path(f"/proc/{hardened.service.pid}/{name}").read_bytes()
        assert shown and not [canary for canary in CANARIES if canary in shown], name
    assert b"DAYBOOK_TOPIC_PREFIX=" in Path(f"/proc/{hardened.service.pid}/environ").read_bytes()
    log = hardened.service.log().encode()
    assert not [canary for canary in CANARIES if canary in log]


@only_root_sees
def test_all_libraries_that_are_mapped_stand_in_the_bill(hardened, sbom):
    known = set().union(*(sonames(one) for one in sbom["components"]))
    maps = Path(f"/proc/{hardened.service.pid}/maps").read_text()
    mapped = {Path(path).name for path in re.findall(r"(/\S+\.so\S*)", maps)}
    # By the file's name, whose beginning the soname is. The loader, and names by /etc/nsswitch.conf, are libc's own; what
    # libsasl2 finds in its folder of plugins (and libdb, which one of them needs) is the machine's.
    plugins = {Path(path).name for path in re.findall(r"(/\S+/sasl2/\S+\.so\S*)", maps)}
    others = ("ld-linux", "libnss_", "libdb-")
    unknown = {
        name
        for name in mapped - plugins
        if not name.startswith(others) and not any(name.startswith(one) or one == name for one in known)
    }
    assert len(mapped) > 20 and not unknown, unknown


def wait_for_end(process, seconds=30):
    """How a child ended, which is still to be waited for."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        if ended is not None:
            return ended
        time.sleep(0.01)
    raise AssertionError(f"{process} has not ended within {seconds} s")


@pytest.fixture
def unlimited_cores():
    before = resource.getrlimit(resource.RLIMIT_CORE)
    most = resource.RLIM_INFINITY if os.geteuid() == 0 else before[1]
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, before)


def cores_in(directory):
    return [path for path in directory.iterdir() if path.name.startswith("core")]


def test_a_crash_leaves_no_core_file(hardened, unlimited_cores, tmp_path):
    other = subprocess.Popen(["sleep", "60"], cwd=tmp_path)
    other.send_signal(signal.SIGSEGV)
    if wait_for_end(other).si_code != os.CLD_DUMPED:
        other.wait()
        pytest.skip("this machine writes no core files at all")
    other.wait()
    hardened.restart()  # under the new limit
    hardened.service.signal(signal.SIGSEGV)
    ended = wait_for_end(hardened.service)
    assert (ended.si_status, ended.si_code) == (signal.SIGSEGV, os.CLD_KILLED)
    assert cores_in(hardened.directory) == []


def test_the_sandbox_can_be_left_off(hardened):
    hardened.service.kill()
    hardened.service.environment = hardened.environment({"sandbox": "false"})
    hardened.start()
    assert {thread["Seccomp"] for thread in threads_of(hardened.service.pid)} == {"0"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is refused")
def test_root_may_not_serve():
    environment = clean_environment({"DAYBOOK_DEVELOPMENT": "false", "DAYBOOK_SECRET_FILE": "/nonexistent/secret"})
    ended = subprocess.run([BINARY, "serve"], env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2 and "root may not serve" in ended.stdout + ended.stderr, ended
    assert not Path("/nonexistent").exists()


# ---- how systemd starts it -----------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not there")
def test_the_unit_is_as_closed_as_systemd_can_judge():
    """Exposure 0.0 is the least; 2.0 and less systemd calls OK."""
    unit = ROOT / "deploy" / "systemd" / "daybook@.service"
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", unit]
    judged = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert judged.returncode == 0, judged.stdout + judged.stderr
