"""The read models of people and API keys, of events written past the program: what they are found by, and what is left of an
erased person."""

from harness.event_log import assert_as_the_log_says, projector, sealed, wait_caught_up

CUSTOMER, IDENTITY = f"cus_{1:026d}", f"idn_{1:026d}"
# What must be nowhere once its person is erased: it stands in the log alone, and nobody has its key.
CANARIES = ("sealed email", "sealed name", "sealed verifier", "sealed address")
FAR = 4_000_000_000_000_000  # the year 2096


def a_life(log):
    """Of a customer who put an address, logged in three times and out once."""
    log.append("customers", log.registered(CUSTOMER, IDENTITY), *log.verified(CUSTOMER, IDENTITY))
    log.append(
        "customers",
        log.customer(CUSTOMER, "CustomerAddressPut", id="home", address=sealed(CUSTOMER, "address")),
        log.customer(
            CUSTOMER,
            "CustomerRolesChanged",
            before=[],
            after=[{"role": "support"}, {"role": "vendor", "vendor": "Garden"}],
        ),
        *(log.session_opened(CUSTOMER, session, FAR) for session in (1, 2, 3)),
        log.customer(CUSTOMER, "SessionRefreshed", session=2, generation=2, expires_at=FAR),
        log.customer(CUSTOMER, "SessionEnded", session=1, reason="request"),
    )


def everything_in(installed, view):
    """Each table of the view's schema as text, bytes as what they are of."""
    found = []
    for row in installed.sql.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = %s", [view]):
        for line in installed.sql.rows(f"SELECT * FROM {view}.{row['table_name']}"):
            found += [
                bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else str(value)
                for value in line.values()
            ]
    return "\n".join(found)


def test_a_customer_is_found_by_his_address_and_his_sessions_by_what_ended(installed, log):
    a_life(log)
    rival = f"cus_{2:026d}"
    log.append("customers", log.registered(rival, IDENTITY), shard=1)
    with projector(installed):
        wait_caught_up(installed, "customers")
    found = installed.sql.rows(
        "SELECT id, roles, vendor FROM customers.customers WHERE identity = %s"
        " ORDER BY (status IN ('active', 'suspended')) DESC, created_at DESC, id DESC",
        [IDENTITY],
    )
    assert [(row["id"], row["roles"], row["vendor"]) for row in found] == [
        (CUSTOMER, ["support", "vendor"], "Garden"),
        (rival, [], None),
    ]
    uses = installed.sql.rows("SELECT session, generation FROM customers.session_uses ORDER BY session")
    assert [tuple(row.values()) for row in uses] == [(2, 2), (3, 1)]
    assert installed.sql.value("SELECT count(*) FROM customers.sessions") == 3
    log.append("customers", log.customer(CUSTOMER, "SessionsEnded", before=4, kept=2, reason="password_changed"))
    with projector(installed):
        wait_caught_up(installed, "customers")
    ends = installed.sql.rows("SELECT session, upto, kept, reason FROM customers.session_ends ORDER BY version")
    assert [tuple(row.values()) for row in ends] == [(1, False, 0, "request"), (4, True, 2, "password_changed")]
    assert tuple(
        installed.sql.rows("SELECT sessions_from, session_kept FROM customers.customers WHERE id = %s", [CUSTOMER])[0].values()
    ) == (4, 2)
    # A refresh is no part of the history; all else is.
    versions = installed.sql.rows(
        "SELECT version FROM customers.customer_history WHERE customer = %s ORDER BY version", [CUSTOMER]
    )
    assert [row["version"] for row in versions] == [1, 2, 3, 4, 5, 6, 7, 8, 10, 11]
    assert_as_the_log_says(installed, "customers")


def test_what_a_view_has_of_an_erased_person_are_ids(installed, log):
    a_life(log)
    with projector(installed):
        wait_caught_up(installed, "customers")
        # As it stands in the log.
        before = everything_in(installed, "customers")
        assert all(canary in before for canary in CANARIES)
        log.append(
            "customers",
            log.customer(CUSTOMER, "SessionsEnded", before=4, kept=0, reason="erased"),
            log.customer(
                CUSTOMER,
                "CustomerErasureRequested",
                keys=[f"per_{CUSTOMER}", f"per_{IDENTITY}"],
                identity=IDENTITY,
                asked=True,
            ),
            log.customer(CUSTOMER, "CustomerErased"),
        )
        wait_caught_up(installed, "customers")
    row = installed.sql.rows("SELECT status, identity, roles, vendor FROM customers.customers")[0]
    assert tuple(row.values()) == ("erased", None, [], None)
    # The rows of before are dead, and gone once they are vacuumed; of the live ones none has anything.
    after = everything_in(installed, "customers")
    assert [canary for canary in CANARIES if canary in after] == []
    assert CUSTOMER in after
    assert_as_the_log_says(installed, "customers")
    installed.run("projection", "rebuild", "customers", "--switch")
    assert everything_in(installed, "customers").count(CUSTOMER) == after.count(CUSTOMER)


def test_keys_that_let_in_are_those_that_are_neither_revoked_nor_expired(installed, log):
    def key(number, name, /, **body):
        return log.event("keys", name, f"key_{number:026d}", body)

    def created(number, expires_at=None):
        roles = [{"role": "service"}, {"role": "vendor", "vendor": "Garden"}]
        return key(
            number,
            "ApiKeyCreated",
            name=f"Key {number}",
            roles=roles,
            hash=bytes([number]) * 32,
            generation=1,
            expires_at=expires_at,
        )

    log.append("keys", created(1), created(2, FAR), created(3, 1_000_000), created(4))
    log.append(
        "keys",
        key(1, "ApiKeyRotated", generation=2, hash=bytes([11]) * 32, previous_until=FAR),
        key(4, "ApiKeyRevoked", reason="lost"),
        key(2, "ApiKeyUsed", hour=490_896),
    )
    with projector(installed):
        wait_caught_up(installed, "keys")
    live = installed.sql.rows(
        "SELECT encode(hash, 'hex') AS hash, encode(previous_hash, 'hex') AS previous, roles, vendor FROM keys.keys"
        " WHERE status = 'active' AND (expires_at IS NULL OR expires_at > now()) ORDER BY created_at, id"
    )
    roles = (["service", "vendor"], "Garden")
    assert [tuple(row.values()) for row in live] == [("0b" * 32, "01" * 32, *roles), ("02" * 32, None, *roles)]
    documents = installed.sql.rows("SELECT document FROM keys.keys ORDER BY id")
    assert [row["document"]["status"] for row in documents] == ["active", "active", "active", "revoked"]
    assert documents[1]["document"]["used_at"] == "2026-01-01T00:00:00.000000Z"
    assert "hash" not in str(documents)
    assert_as_the_log_says(installed, "keys")
