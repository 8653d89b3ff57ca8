"""Categories: a tree that several staff members change at once, and products found by it and by what is below it.

The tests share one installation, and so one tree: each has categories of names of its own.
"""

import itertools
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness.shop import euros
from harness.waiting import wait_until
from test_http_conventions import assert_problem

_numbers = itertools.count(1)


@pytest.fixture
def tree(client):
    return Tree(client)


class Tree:
    """Categories whose slugs begin alike, as no other test's do."""

    def __init__(self, client):
        self.client = client
        self.name = f"t{next(_numbers)}"

    def slug(self, name):
        return f"{self.name}-{name}"

    def ask_put(self, name, parent=None, headers=None, **more):
        body = {"title": f"The {name}"} | ({"parent": self.slug(parent)} if parent else {}) | more
        return self.client.put(f"/v1/categories/{self.slug(name)}", body, headers=headers)

    def put(self, name, parent=None, **more):
        return self.client.expect(200, self.ask_put(name, parent, **more))

    def ask_remove(self, name, headers=None):
        return self.client.delete(f"/v1/categories/{self.slug(name)}", headers=headers)

    def get(self, name):
        return self.client.get(f"/v1/categories/{self.slug(name)}")

    def plant(self):
        """drinks, in it tea, in that black and green; and tools."""
        for name, parent in (("drinks", None), ("tea", "drinks"), ("black", "tea"), ("green", "tea"), ("tools", None)):
            self.put(name, parent)

    def product(self, title, *names):
        body = {
            "title": title,
            "categories": [self.slug(name) for name in names],
            "tags": [self.name],
            "variants": [{"sku": f"{self.name}-{title}", "price": euros(100)}],
        }
        product = self.client.expect(201, self.client.post("/v1/products", body))["id"]
        self.client.expect(200, self.client.post(f"/v1/products/{product}/publish"))
        self.client.expect(200, self.client.get(f"/v1/products/{product}"))

    def page(self, **query):
        return self.client.expect(200, self.client.get("/v1/products", params={"tag": self.name} | query))

    def found(self, **query):
        return sorted(item["title"] for item in self.page(**query)["items"])

    def counts(self, **query):
        facet = self.page(**query)["facets"]["category"]
        return {entry["value"].removeprefix(f"{self.name}-"): entry["count"] for entry in facet}


def everything(client):
    """All categories of the installation, page by page."""
    items, cursor = [], None
    while True:
        query = {"limit": 200} | ({"cursor": cursor} if cursor else {})
        page = client.expect(200, client.get("/v1/categories", params=query))
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return items


def assert_is_tree(items):
    parents = {item["slug"]: item.get("parent") for item in items}
    assert len(parents) == len(items)
    for slug in parents:
        depth, at = 0, slug
        while at is not None:
            assert at in parents, f"{slug} stands in {at}, which is not there"
            at, depth = parents[at], depth + 1
            assert depth <= 8, f"{slug} stands in itself, or too deep"


# ---- one after the other ---------------------------------------------------------------------------------------------


def test_a_category_is_defined_changed_moved_and_removed(tree):
    tree.plant()
    answer = tree.ask_put("oolong", "tea", description="Half of it.\nOxidised.", position=3)
    oolong = tree.client.expect(200, answer)
    assert oolong.pop("created_at") == oolong.pop("changed_at")
    assert oolong == {
        "slug": tree.slug("oolong"),
        "status": "active",
        "title": "The oolong",
        "description": "Half of it.\nOxidised.",
        "parent": tree.slug("tea"),
        "position": 3,
        "version": oolong["version"],
    }
    assert answer.headers["ETag"] == f'"{oolong["version"]}"'
    read = tree.get("oolong")
    assert read.content == answer.content  # the view says what the command did, byte for byte
    assert read.headers["ETag"] == answer.headers["ETag"]

    same = tree.ask_put("oolong", "tea", description="Half of it.\nOxidised.", position=3)
    assert same.content == answer.content  # nothing happened
    moved = tree.put("oolong", "drinks")  # what is left out it has not
    assert "description" not in moved and moved["position"] == 0
    assert moved["parent"] == tree.slug("drinks")
    assert moved["version"] > oolong["version"]
    assert "parent" not in tree.put("oolong")

    removed = tree.client.expect(200, tree.ask_remove("oolong"))
    assert removed["status"] == "removed"
    assert_problem(tree.get("oolong"), 404, "unknown_category")
    assert_problem(tree.ask_remove("oolong"), 404, "unknown_category")


def test_what_makes_no_tree_is_refused_and_nothing_of_it_is_done(tree):
    tree.plant()
    before = everything(tree.client)
    for name, parent in (("tea", "tea"), ("tea", "black"), ("drinks", "green"), ("new", "new")):
        assert_problem(tree.ask_put(name, parent, title="Another"), 409, "category_circle", "/parent")
    assert_problem(tree.ask_put("tea", "coffee", title="Another"), 422, "unknown_parent", "/parent")
    assert_problem(tree.ask_put("new", "coffee"), 422, "unknown_parent", "/parent")
    assert_problem(tree.ask_remove("tea"), 409, "category_has_children")
    assert everything(tree.client) == before
    tree.put("4", "black")
    for level in range(5, 9):
        tree.put(str(level), str(level - 1))
    assert_problem(tree.ask_put("9", "8"), 409, "category_too_deep", "/parent")
    tree.put("kettles", "tools")
    assert_problem(tree.ask_put("drinks", "tools"), 409, "category_too_deep", "/parent")


@pytest.mark.parametrize(
    "body, code, pointer",
    [
        ({}, "missing_field", "/title"),
        ({"title": ""}, "too_short", "/title"),
        ({"title": "a" * 257}, "too_long", "/title"),
        ({"title": "a\u0007b"}, "invalid_format", "/title"),
        ({"title": "a\nb"}, "invalid_format", "/title"),
        ({"title": "a", "description": "b" * 4097}, "too_long", "/description"),
        ({"title": "a", "description": "b\u0000"}, "invalid_format", "/description"),
        ({"title": "a", "parent": "No Slug"}, "invalid_format", "/parent"),
        ({"title": "a", "parent": ""}, "invalid_format", "/parent"),
        ({"title": "a", "position": -1}, "out_of_range", "/position"),
        ({"title": "a", "position": 1_000_001}, "out_of_range", "/position"),
        ({"title": "a", "slug": "b"}, "unknown_field", "/slug"),
    ],
)
def test_what_is_said_of_a_category_has_bounds(tree, body, code, pointer):
    assert_problem(tree.client.put(f"/v1/categories/{tree.slug('bad')}", body), 400, code, pointer)
    assert_problem(tree.get("bad"), 404, "unknown_category")


@pytest.mark.parametrize("slug", ["Tea", "a%20b", "a..b", ".a", "%0a", "a" * 65, "t%C3%A9"])
def test_a_slug_is_of_few_characters(client, slug):
    assert_problem(client.put(f"/v1/categories/{slug}", {"title": "Tea"}), 404, "malformed_id")
    assert_problem(client.delete(f"/v1/categories/{slug}"), 404, "malformed_id")
    assert_problem(client.get(f"/v1/categories/{slug}"), 404, "unknown_category")


def test_if_match_is_of_the_category_and_not_of_the_tree(tree):
    tree.plant()
    tea = tree.get("tea").headers["ETag"]
    tree.put("black", "tea", title="Black teas")  # another changes meanwhile
    changed = tree.ask_put("tea", "drinks", title="All tea", headers={"If-Match": tea})
    assert tree.client.expect(200, changed)["title"] == "All tea"
    assert_problem(tree.ask_put("tea", "drinks", headers={"If-Match": tea}), 412, "version_mismatch")
    assert_problem(tree.ask_remove("green", headers={"If-Match": tea}), 412, "version_mismatch")
    assert_problem(tree.ask_put("new", headers={"If-Match": tea}), 412, "version_mismatch")
    green = tree.get("green").headers["ETag"]
    tree.client.expect(200, tree.ask_remove("green", headers={"If-Match": green}))
    tree.put("green", "tea")  # it comes again, and is another one
    assert_problem(tree.ask_put("green", "tea", headers={"If-Match": green}), 412, "version_mismatch")
    known = tree.client.get(
        f"/v1/categories/{tree.slug('black')}", headers={"If-None-Match": tree.get("black").headers["ETag"]}
    )
    assert known.status_code == 304


def test_a_retry_is_told_the_first_answer_and_changes_nothing(tree):
    tree.put("tea")
    path, body = f"/v1/categories/{tree.slug('tea')}", {"title": "First"}
    first = tree.client.put(path, body, key=f"{tree.name}-0123456789-0123456789")
    tree.put("tea", title="Second")
    again = tree.client.put(path, body, key=f"{tree.name}-0123456789-0123456789")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.content == first.content
    assert tree.get("tea").json()["title"] == "Second"


def test_a_command_that_nobody_waited_for_is_told_with_its_category(tree):
    pending = tree.ask_put("tea", headers={"Prefer": "respond-async"})
    tree.client.expect(202, pending)

    def told():
        answer = tree.client.get(pending.headers["Location"])
        return answer if answer.status_code == 200 else None

    assert wait_until(told, "the command to be decided").json()["slug"] == tree.slug("tea")


def test_those_beside_each_other_are_listed_in_their_order(tree):
    tree.plant()
    tree.put("green", "tea", position=1)
    tree.put("white", "tea", position=1)
    tree.put("black", "tea", position=2)

    def slugs(**query):
        page = tree.client.expect(200, tree.client.get("/v1/categories", params=query))
        return [item["slug"].removeprefix(f"{tree.name}-") for item in page["items"]]

    assert slugs(parent=tree.slug("tea")) == ["green", "white", "black"]
    assert slugs(parent=tree.slug("tea"), sort="-title") == ["white", "green", "black"]
    assert slugs(parent=tree.slug("black")) == []
    top = slugs(top="true", limit=200)
    assert "drinks" in top and "tools" in top and "tea" not in top
    assert_problem(tree.client.get("/v1/categories?top=true&parent=a"), 400, "invalid_parameter")
    assert_problem(tree.client.get("/v1/categories?q=tea"), 400, "unknown_parameter")
    paged, cursor = [], None
    while True:
        query = {"parent": tree.slug("tea"), "limit": 1} | ({"cursor": cursor} if cursor else {})
        page = tree.client.expect(200, tree.client.get("/v1/categories", params=query))
        paged += [item["slug"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert paged == [tree.slug(name) for name in ("green", "white", "black")]


# ---- products --------------------------------------------------------------------------------------------------------


def test_products_are_found_by_the_categories_above_their_own(tree):
    tree.plant()
    tree.product("Darjeeling", "black")
    tree.product("Sencha", "green")
    tree.product("Blend", "black", "green")
    tree.product("Water", "drinks")
    tree.product("Kettle", "tools", "unheard-of")
    assert tree.found(category=tree.slug("drinks")) == ["Blend", "Darjeeling", "Sencha", "Water"]
    assert tree.found(category=tree.slug("tea")) == ["Blend", "Darjeeling", "Sencha"]
    assert tree.found(category=tree.slug("black")) == ["Blend", "Darjeeling"]
    assert tree.found(category=tree.slug("unheard-of")) == ["Kettle"]  # a word like any other
    assert tree.found(category=tree.slug("never")) == []
    assert tree.found(category=tree.slug("tea"), q="sencha") == ["Sencha"]
    assert tree.counts() == {"drinks": 4, "tea": 3, "black": 2, "green": 2, "tools": 1, "unheard-of": 1}
    assert tree.counts(category=tree.slug("green")) == {"drinks": 2, "tea": 2, "green": 2, "black": 1}

    tree.put("tea", "tools")  # and all of it with it
    assert tree.found(category=tree.slug("drinks")) == ["Water"]
    assert tree.found(category=tree.slug("tools")) == ["Blend", "Darjeeling", "Kettle", "Sencha"]
    assert tree.counts() == {"drinks": 1, "tea": 3, "black": 2, "green": 2, "tools": 4, "unheard-of": 1}


def test_a_category_that_goes_is_a_word_of_its_products_until_it_comes_again(tree):
    tree.plant()
    tree.product("Sencha", "green")
    tree.client.expect(200, tree.ask_remove("green"))
    assert tree.found(category=tree.slug("green")) == ["Sencha"]
    assert tree.found(category=tree.slug("tea")) == []
    assert tree.counts() == {"green": 1}
    tree.put("green", "tools")
    assert tree.found(category=tree.slug("tools")) == ["Sencha"]


def test_a_page_goes_on_as_it_began(tree):
    tree.plant()
    for number in range(5):
        tree.product(f"Tea-{number}", "black" if number % 2 else "green")
    titles, cursor = [], None
    while True:
        query = {"category": tree.slug("drinks"), "sort": "title", "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = tree.page(**query)
        titles += [item["title"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert titles == [f"Tea-{number}" for number in range(5)]


# ---- at once ---------------------------------------------------------------------------------------------------------


def test_of_two_that_are_put_into_each_other_at_once_one_is_refused(daybook, tree):
    with daybook.client() as other, ThreadPoolExecutor(2) as threads:
        rival = Tree(other)
        rival.name = tree.name
        for number in range(20):
            a, b = f"a{number}", f"b{number}"
            tree.put(a)
            tree.put(b)
            both = threads.submit(tree.ask_put, a, b), threads.submit(rival.ask_put, b, a)
            statuses = sorted(one.result().status_code for one in both)
            assert statuses == [200, 409]
    assert_is_tree(everything(tree.client))


def test_whatever_staff_do_at_once_the_tree_is_one(daybook, tree):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    names = [chr(ord("a") + number) for number in range(12)]

    def staff(number):
        chance = random.Random(f"{seed}-{number}")
        seen = set()
        with daybook.client() as client:
            mine = Tree(client)
            mine.name = tree.name
            for _ in range(80):
                name, parent = chance.choice(names), chance.choice([None, *names])
                answer = mine.ask_remove(name) if chance.random() < 0.2 else mine.ask_put(name, parent)
                seen.add((answer.status_code, answer.json().get("code")))
        return seen

    with ThreadPoolExecutor(4) as threads:
        seen = set().union(*threads.map(staff, range(4)))
    allowed = {
        (200, None),
        (404, "unknown_category"),
        (409, "category_circle"),
        (409, "category_too_deep"),
        (409, "category_has_children"),
        (422, "unknown_parent"),
    }
    assert seen <= allowed
    assert {(200, None), (409, "category_circle"), (409, "category_has_children")} <= seen
    tree.put("last")  # whose position all that came before it is behind
    assert_is_tree(everything(tree.client))
    daybook.run("verify")
    daybook.run("projection", "compare", "categories")


def test_replay_prints_the_tree_and_export_has_its_events(daybook, tree, tmp_path):
    tree.put("tea")
    tree.put("black", "tea")
    lines = daybook.run("replay", "cat_tree")
    assert tree.slug("black") in lines
    assert "CategoryDefined" in lines
    daybook.run("export", str(tmp_path / "out"), "--topic", "categories", "--view", "categories")
    exported = "".join(path.read_text() for path in (tmp_path / "out").rglob("*.jsonl"))
    assert f'"slug":"{tree.slug("black")}"' in exported
