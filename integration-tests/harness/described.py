"""Whether answers are as /openapi.json says."""

import re

import jsonschema

# Of any answer, whatever it is about.
PLAIN_HEADERS = {"date", "content-length", "transfer-encoding", "content-type", "connection", "x-accel-buffering"} | {
    "x-content-type-options",
    "content-security-policy",
}

# Where people and keys are, who are walked through by test_openapi_people.py; all else is test_openapi.py's.
OF_PEOPLE = ("/v1/customers", "/v1/sessions", "/v1/me", "/v1/api-keys")


def is_of_people(path):
    return path.startswith(OF_PEOPLE)


class Described:
    """The document, and the operations of which an answer was held against it."""

    def __init__(self, document):
        self.document = document
        # What a path names itself comes before what it may name: /customers/lookup is nobody's id.
        self.paths = [
            (re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path) + "$"), path)
            for path in sorted(document["paths"], key=lambda path: path.count("{"))
        ]
        self.seen = set()

    def resolved(self, said):
        at = self.document
        for part in said.get("$ref", "#").split("/")[1:]:
            at = at[part]
        return at if "$ref" in said else said

    def check_header(self, schema, value):
        jsonschema.validate(int(value) if schema["type"] == "integer" else value, schema)

    def example(self, operation):
        """The method, the path and the body of the example of a command."""
        for path, item in self.document["paths"].items():
            for method, described in item.items():
                if described["operationId"] == operation:
                    return method.upper(), path, described["requestBody"]["content"]["application/json"]["example"]
        raise AssertionError(f"no operation {operation}")

    def check(self, answer, event=None):
        """`event` is the document of an event, when the answer is a stream of them."""
        method = answer.request.method.lower()
        path = next(path for pattern, path in self.paths if pattern.match(answer.request.url.path))
        responses = self.document["paths"][path][method]["responses"]
        assert str(answer.status_code) in responses, f"{method} {path} may not answer {answer.status_code}"
        said = self.resolved(responses[str(answer.status_code)])
        self.seen.add((method, path, answer.status_code))
        if "content" not in said:  # 304: of what is known already
            assert answer.content == b""
            return
        assert set(answer.headers) - PLAIN_HEADERS <= {name.lower() for name in said["headers"]}, answer.headers
        for name, header in said["headers"].items():
            if name in answer.headers:
                self.check_header(self.resolved(header)["schema"], answer.headers[name])
        media_type = answer.headers["content-type"].split(";")[0]
        schema = said["content"][media_type]["schema"]
        schema = schema.get("x-event-data", schema) | {"components": self.document["components"]}
        jsonschema.validate(answer.json() if event is None else event, schema, jsonschema.Draft202012Validator)

    def watch(self, client):
        """Holds each answer that the client is given against the document from now on."""
        client.http.event_hooks["response"].append(lambda answer: (answer.read(), self.check(answer)))

    def operations(self, of_people):
        """Those under /v1/ that people and keys have, or all others; what a provider tells has an answer of its own."""
        return {
            (method, path)
            for path, item in self.document["paths"].items()
            for method in item
            if path.startswith("/v1/") and not path.startswith("/v1/webhooks/") and is_of_people(path) == of_people
        }

    def walked(self):
        """The operations of which an answer was seen that is no refusal."""
        return {(method, path) for method, path, status in self.seen if status < 300}

    def examples(self, of_people):
        """The operations that have one."""
        return {
            operation["operationId"]
            for path, item in self.document["paths"].items()
            for operation in item.values()
            if is_of_people(path) == of_people
            and "example" in operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        }
