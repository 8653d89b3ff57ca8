"""What a shopper finds who misspells, or has not typed the whole word yet.

The tests share one installation and so one vocabulary: each has words of its own, that no dictionary has.
"""

import concurrent.futures

import pytest
from harness.shop import Shop
from test_http_conventions import assert_problem
from test_lists import Shelf


@pytest.fixture
def shelf(client):
    return Shelf(Shop(client))


def words_of(daybook, schema="products"):
    """The vocabulary: each word with how many products have it."""
    return {row["word"]: row["products"] for row in daybook.sql.rows(f"SELECT word, products FROM {schema}.words")}


def corrected(shelf, **query):
    """What is searched in the place of `q`, and the names of what is found, sorted."""
    return shelf.page(**query)["corrected"], sorted(shelf.find(**query))


# ---- words that are misspelt -----------------------------------------------------------------------------------------


def test_a_misspelt_word_is_taken_for_one_of_the_catalogue_and_the_answer_says_so(shelf):
    shelf.put("Quorvel bar")
    shelf.put("Quorvel drink", description="With brindaque.")
    assert corrected(shelf, q="quorvel bar ") == (None, ["Quorvel bar"])
    assert corrected(shelf, q="quorvle bar ") == ("quorvel bar ", ["Quorvel bar"])  # changed places
    assert corrected(shelf, q="quorel") == ("quorvel", ["Quorvel bar", "Quorvel drink"])  # left out
    assert corrected(shelf, q="Quorvvel Bar") == ("quorvel Bar", ["Quorvel bar"])  # added
    assert corrected(shelf, q="bar quorwel") == ("bar quorvel", ["Quorvel bar"])  # replaced
    assert corrected(shelf, q="quorvel -bra") == (None, ["Quorvel bar", "Quorvel drink"])
    assert corrected(shelf, q="zzyqx or quorwel -bar") == ("zzyqx or quorvel -bar", ["Quorvel drink"])
    # A word of a description is known, but nobody is taken to have meant it.
    assert corrected(shelf, q="brindaque") == (None, ["Quorvel drink"])
    assert corrected(shelf, q="brindaqe") == (None, [])


def test_a_short_word_whose_letters_changed_places_is_found(shelf):
    shelf.put("Vjol", attributes={"kind": "gwim"})
    assert corrected(shelf, q="vjlo") == ("vjol", ["Vjol"])
    assert corrected(shelf, q="gwmi ") == ("gwim ", ["Vjol"])


def test_what_stands_in_quotes_is_looked_for_as_it_is(shelf):
    shelf.put("Plemdor")
    assert corrected(shelf, q="plemdr") == ("plemdor", ["Plemdor"])
    assert corrected(shelf, q='"plemdr"') == (None, [])


def test_numbers_skus_and_barcodes_are_never_taken_for_others(shelf):
    body = {"variants": [{"sku": "KXQ-778899", "barcode": "4006381333931", "price": {"amount": 1, "currency": "EUR"}}]}
    made = shelf.client.expect(201, shelf.client.post("/v1/products", {"title": "Drablet", "vendor": shelf.vendor} | body))
    shelf.ids["Drablet"] = made["id"]
    shelf.client.expect(200, shelf.client.post(f"/v1/products/{made['id']}/publish"))
    for words in ("KXQ-778899", "kxq-778899", "4006381333931", "drablet 4006381333931"):
        assert corrected(shelf, q=words) == (None, ["Drablet"]), words
    for words in ("KXQ-778898", "KXQ-77889", "4006381333932", "drablet 400638133393"):
        assert corrected(shelf, q=words) == (None, []), words


def test_nothing_is_like_a_word_that_nobody_has(shelf):
    shelf.put("Thing")
    page = shelf.page(q="wxwxwxwxwx")
    assert (page["items"], page["corrected"], page["next_cursor"]) == ([], None, None)
    assert page["facets"] == {"counted": 0, "complete": True, "category": [], "tag": [], "vendor": []}


# ---- words that are half typed ---------------------------------------------------------------------------------------


def test_a_word_that_is_being_typed_is_found_by_its_beginning(shelf):
    shelf.put("Dark snorvelate")
    shelf.put("Milk snorvelates")
    for typed in ("sn", "snor", "snorvela", "snorvelat", "dark snorv"):
        found = shelf.find(q=typed)
        assert "Dark snorvelate" in found and shelf.page(q=typed)["corrected"] is None, typed
    assert sorted(shelf.find(q="SNORV")) == ["Dark snorvelate", "Milk snorvelates"]
    assert shelf.find(q="snorv dark") == []  # only the last word is half typed
    assert shelf.find(q="snorv ") == []  # a space behind it ends it
    assert shelf.find(q='"snorv"') == []
    assert shelf.find(q="dark -snorv") == ["Dark snorvelate"]
    assert shelf.find(q="milk or dark snorv") == shelf.find(q="milk or snorvelate")
    assert corrected(shelf, q="snorvlat") == ("snorvelate", ["Dark snorvelate", "Milk snorvelates"])


def test_what_has_the_word_stands_before_what_only_begins_like_it(shelf):
    shelf.put("Tarn", description="tarn " * 5)
    shelf.put("Water", description="By a tarnq.")
    shelf.put("Tarnquoise tarnquoise")
    shelf.put("Tarnquoise", tags=["tarn"])
    found = shelf.find(q="tarn")
    assert found[:2] == ["Tarn", "Tarnquoise"]
    assert found[2:] == ["Tarnquoise tarnquoise"]
    assert [page[0] for page in shelf.pages(q="tarn", limit=1)] == found
    assert sorted(shelf.find(q="tarn", sort="title")) == sorted(found)


def test_a_stop_word_that_is_all_there_is_begins_others(shelf):
    shelf.put("Theldrax")
    assert shelf.find(q="the") == shelf.find(q="the", sort="price") == ["Theldrax"]
    assert shelf.find(q="the ") == []
    assert shelf.find(q="theldrax the") == ["Theldrax"]


# ---- cursors ---------------------------------------------------------------------------------------------------------


def test_the_next_page_does_not_change_its_mind(shelf):
    for number in range(4):
        shelf.put(f"Mervoxin {number}")
    asked = {"q": "mervxin", "limit": 2, "sort": "title"}
    first = shelf.page(**asked)
    assert first["corrected"] == "mervoxin"
    # Now there is such a word, and one that is more like it.
    shelf.put("Mervxin")
    shelf.put("Mervixin")
    second = shelf.page(**asked, cursor=first["next_cursor"])
    assert second["corrected"] == "mervoxin" and second["facets"] is None
    assert [item["title"] for item in first["items"] + second["items"]] == [f"Mervoxin {number}" for number in range(4)]
    assert corrected(shelf, q="mervxin") == (None, ["Mervxin"])

    typed = {"q": "merv", "limit": 4, "sort": "title"}
    first = shelf.page(**typed)
    shelf.put("Mervozel")
    second = shelf.page(**typed, cursor=first["next_cursor"])
    assert [item["title"] for item in second["items"]] == ["Mervoxin 3", "Mervxin"]
    assert shelf.find(q="merv", sort="title")[-2:] == ["Mervozel", "Mervxin"]


def test_a_cursor_of_other_words_is_refused(shelf):
    shelf.put("Folquine A")
    shelf.put("Folquine B")
    cursor = shelf.page(q="folqine", limit=1)["next_cursor"]
    assert shelf.page(q="folqine", limit=1, cursor=cursor)["corrected"] == "folquine"
    refused = shelf.client.get("/v1/products", params={"vendor": shelf.vendor, "q": "folquine", "cursor": cursor})
    assert_problem(refused, 400, "invalid_parameter")


# ---- the vocabulary --------------------------------------------------------------------------------------------------


def test_the_vocabulary_has_the_words_of_what_is_published_and_forgets_the_others(daybook, shelf):
    shelf.put("Hobnexil", publish=False)
    path = f"/v1/products/{shelf.ids['Hobnexil']}"
    assert "hobnexil" not in words_of(daybook)
    shelf.client.expect(200, shelf.client.post(f"{path}/publish"))
    shelf.client.expect(200, shelf.client.get(path))
    shelf.put("Hobnexil again hobnexil")
    assert words_of(daybook)["hobnexil"] == 2  # products, not times
    assert corrected(shelf, q="hobnxil") == ("hobnexil", ["Hobnexil", "Hobnexil again hobnexil"])
    shelf.client.expect(200, shelf.client.patch(path, {"title": "Ganterwick"}))
    shelf.client.expect(200, shelf.client.get(path))
    assert (words_of(daybook)["hobnexil"], words_of(daybook)["ganterwick"]) == (1, 1)
    shelf.client.expect(200, shelf.client.post(f"{path}/archive"))
    shelf.client.expect(200, shelf.client.get(path))
    assert "ganterwick" not in words_of(daybook)
    assert corrected(shelf, q="gantrwick") == (None, [])


def test_a_rebuilt_vocabulary_is_the_live_one(daybook, shelf):
    shelf.put("Ostravine", tags=["krellbin"])
    shelf.client.expect(200, shelf.client.patch(f"/v1/products/{shelf.ids['Ostravine']}", {"title": "Ostravone krellbin"}))
    shelf.client.expect(200, shelf.client.get(f"/v1/products/{shelf.ids['Ostravine']}"))
    daybook.run("projection", "rebuild", "products")
    assert words_of(daybook, "products_rebuild") == words_of(daybook)
    assert "products_rebuild" in daybook.run("projection", "compare", "products")
    daybook.run("projection", "switch", "products")
    daybook.run("projection", "drop", "products_old")
    # Of tables that were renamed, with triggers and functions that came along.
    assert corrected(shelf, q="ostravoen") == ("ostravone", ["Ostravine"])
    shelf.put("Ostravone too")
    assert words_of(daybook)["ostravone"] == 2
    counted = daybook.sql.rows(
        "SELECT word, count(*) AS products FROM products.products, LATERAL unnest(tsvector_to_array("
        "to_tsvector('simple', title || ' ' || keywords))) AS word WHERE status = 'published' GROUP BY word"
    )
    expected = {row["word"]: row["products"] for row in counted}
    found = words_of(daybook)
    assert found and found.items() <= expected.items()
    assert {"ostravone", "krellbin"} <= found.keys()
    daybook.run("projection", "compare", "products")


def test_pg_trgm_may_be_in_any_schema(new_daybook):
    """Where somebody installed it before us."""
    daybook = new_daybook()
    daybook.sql.run("DROP EXTENSION pg_trgm CASCADE; CREATE SCHEMA elsewhere; CREATE EXTENSION pg_trgm SCHEMA elsewhere")
    daybook.run("projection", "rebuild", "products")
    daybook.run("projection", "switch", "products")
    with daybook.client() as client:
        shelf = Shelf(Shop(client))
        shelf.put("Yelmorant")
        assert corrected(shelf, q="yelmornat") == ("yelmorant", ["Yelmorant"])


# ---- what cannot be meant --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "a", "%", "*", ":*", "%%%%", "'", "''", '"', "\\", "&|!()", "<->", "a:*b", "-", "--", "or", "or or or", "the", "the of and",
        "null", "NULL or null", "🙂", "ﬁ", "İıſ", "e\u0301", "naïve crème", "x" * 256, "x " * 128, "ab " * 85, "\u00e9" * 128, "🙂" * 64,
        "- " * 16, '" ' * 128, '-"" ' * 16, "(((((", "word's", "a.b,c;d", "http://x/y?z", "1e9", "-1", "{a,b}", "$1", "ab\u00a0cd", "ab\u200bcd",
    ],
)  # fmt: skip
def test_whatever_is_asked_is_answered_soon(shelf, text):
    page = shelf.client.get("/v1/products", params={"q": text})
    assert page.status_code == 200, page.text
    assert page.elapsed.total_seconds() < 1
    if page.json()["next_cursor"]:
        behind = shelf.client.get("/v1/products", params={"q": text, "cursor": page.json()["next_cursor"]})
        assert behind.status_code == 200, behind.text


@pytest.mark.parametrize("text", ["x" * 257, "x" * 1000, "🙂" * 65, "a\x00b", "a\nb", "a\x1fb", "", "- " * 17, "-" * 100])
def test_what_is_too_long_or_no_text_is_refused_by_its_name(client, text):
    refused = client.get("/v1/products", params={"q": text})
    assert_problem(refused, 400, "invalid_parameter")
    assert refused.json()["parameter"] == "q"


def test_many_words_at_once_are_answered_alike(shelf):
    """Of several loops, with the statement prepared and planned anew."""
    shelf.put("Wrestolam")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: corrected(shelf, q="wrestlam"), range(40)))
    assert answers == [("wrestolam", ["Wrestolam"])] * 40
