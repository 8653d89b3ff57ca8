// Reads an OpenAPI document from standard input and prints what Redocly's linter has against it, a line each.
const { readFileSync } = require("node:fs");
const { createConfig, lintFromString } = require("@redocly/openapi-core");

const RULES = {
  // Nothing here is under a licence that could be named.
  "info-license": "off",
};

async function main() {
  const config = await createConfig({ extends: ["recommended-strict"], rules: RULES });
  const problems = await lintFromString({ source: readFileSync(0, "utf8"), absoluteRef: "openapi.json", config });
  for (const { ruleId, message, location } of problems) {
    console.log(`${ruleId}: ${message} (${location[0].pointer ?? "the whole"})`);
  }
}

main();
