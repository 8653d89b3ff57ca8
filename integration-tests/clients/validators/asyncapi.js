// Reads an AsyncAPI document from standard input and prints what AsyncAPI's own parser has against it, a line each. It
// reads the Avro schemas of the messages as well.
const { readFileSync } = require("node:fs");
const { AvroSchemaParser } = require("@asyncapi/avro-schema-parser");
const { Parser } = require("@asyncapi/parser");

// Errors are 0 and warnings 1. What is milder is advice: that there is a newer version of AsyncAPI, which fewer can read.
const WARNING = 1;

async function main() {
  const parser = new Parser();
  parser.registerSchemaParser(AvroSchemaParser());
  const { document, diagnostics } = await parser.parse(readFileSync(0, "utf8"));
  const problems = diagnostics.filter(({ severity }) => severity <= WARNING);
  for (const { code, message, path } of problems) {
    console.log(`${code}: ${message} (#/${path.join("/")})`);
  }
  if (document === undefined && problems.length === 0) {
    console.log("this is no AsyncAPI document");
  }
}

main();
