"""What make scale-out found, as tables."""

ONE = "1 handler, 1 gateway"
PARTS = ("gateways", "handlers", "projector", "connector", "broker", "PostgreSQL")
# By how many processes of which part a case has more than ONE.
FURTHER = {"2 handlers": 1, "4 handlers": 3, "4 handlers without standby stores": 3, "2 gateways": 1, "4 gateways": 3}


def by_part(ms: dict) -> dict[str, float]:
    """Processes of one role together; without the provider's double and the load."""
    found = dict.fromkeys(PARTS, 0.0)
    for name, value in ms.items():
        part = "gateways" if name.startswith("gateway") else "handlers" if name.startswith(("handler", "bare")) else name
        if part in found:
            found[part] += value
    return found


def round_told(found: dict) -> str:
    peak, steady, idle = (sum(by_part(found[pace]["ms"]).values()) for pace in ("peak", "steady", "idle"))
    return (
        f"{found['peak']['per_s']:,.0f} checkouts/s, {peak:.2f} ms each; fixed rate: {steady:.2f} ms each, "
        f"p99 {found['steady']['p99']:.0f} ms; idle {idle:.0f} ms/s"
    )


def step_told(step: dict) -> str:
    shares = ", ".join(f"{name} {shards}" for name, shards in step["shards"].items())
    after = f"even after {step['even_s']:5.1f} s, all served after {step['served_s']:5.1f} s"
    return f"{step['who']:9} {step['what']:7} {after}: {shares}"


def _latency(found: dict) -> str:
    handlers, views = (1 / found["each"][f"commits of {who}"] for who in ("handlers", "views"))
    return f"{found['p50']:10.1f}{found['p99']:10.1f}{handlers:10.1f}{views:10.1f}"


def _table(cases: dict, pace: str, title: str) -> None:
    print(f"\n{title}")
    print(f"{'':36}" + "".join(f"{part:>12}" for part in (*PARTS, "all")))
    for name, found in cases.items():
        ms = by_part(found[pace]["ms"])
        print(f"{name:36}" + "".join(f"{value:12.3f}" for value in (*ms.values(), sum(ms.values()))))
    print("each further process, by how much more it makes")
    one = by_part(cases[ONE][pace]["ms"])
    for name, more in FURTHER.items():
        ms = {part: (value - one[part]) / more for part, value in by_part(cases[name][pace]["ms"]).items()}
        print(f"{name:36}" + "".join(f"{value:+12.3f}" for value in (*ms.values(), sum(ms.values()))))


def tell(found: dict) -> None:
    if "cases" in found:
        cases = found["cases"]
        print("\nat the peak, and at the fixed rate: latency, checkouts a commit of handlers, and of the views")
        print(f"{'':36}{'per s':>10}" + f"{'p50 ms':>10}{'p99 ms':>10}{'handlers':>10}{'views':>10}" * 2)
        for name, case in cases.items():
            print(f"{name:36}{case['peak']['per_s']:10,.0f}" + _latency(case["peak"]) + _latency(case["steady"]))
        print("\nKafka clients, connections to the one broker, and to PostgreSQL")
        for name, links in cases[ONE]["links"].items():
            told = f"{links['kafka_clients']:10.0f}{links['to_broker']:10.0f}{links['to_postgres']:10.0f}"
            print(f"{name:36}{told}")
        each = cases[ONE]["steady"]["each"]
        print(
            f"\na checkout of {ONE} at {found['rate']}/s: " + ", ".join(f"{what} {count:.4g}" for what, count in each.items())
        )
        _table(cases, "peak", "processor time a checkout at the peak, ms")
        _table(cases, "steady", f"processor time a checkout at {found['rate']}/s, ms")
        _table(cases, "idle", "processor time a second when nothing is asked, ms")
    if "members" in found:
        print("\nmembers that come and go: nothing lost")
        for step in found["members"]["steps"]:
            print(step_told(step))
        print(found["members"]["operations"])
