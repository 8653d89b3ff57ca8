"""integration-tests/access.tsv: what each kind of caller is told at each route, as somebody wrote it by hand."""

from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).parents[1] / "access.tsv"
REFUSALS = {"401": (401, "unauthenticated"), "403": (403, "forbidden")}
GRANTS = {"yes", "public", "own", "guest"}


@dataclass(frozen=True)
class Row:
    method: str
    path: str
    cells: dict  # by column
    query: str = ""

    def __str__(self):
        return f"{self.method} {self.path}"

    @property
    def changes(self):
        return self.method != "GET"


def read_rows(table=TABLE):
    lines = [line for line in table.read_text().splitlines() if not line.startswith("#")]
    columns, *rest = (line.split("\t") for line in lines)
    rows = []
    for method, path, *cells in rest:
        assert len(cells) == len(columns) - 2, path
        assert set(cells) <= GRANTS | set(REFUSALS) | {"404"}, path
        rows.append(Row(method, path, dict(zip(columns[2:], cells))))
    return rows


# Parts of two answers that are for fewer than their route: how something stood (docs/http.md, "Who may do what").
AS_OF = [
    Row(
        "GET",
        path,
        {
            "nobody": "401",
            "token": "401",
            "wrong": "401",
            "customer": "403",
            "vendor": "own",
            "support": "403",
            "admin": "yes",
            "analyst": "403",
            "auditor": "yes",
            "service": service,
            "vendor_key": "own",
            "operator": "401",
        },
        "?as_of=2",
    )
    for path, service in (("/v1/products/{product}", "403"), ("/v1/stock/{sku}", "yes"))
]
