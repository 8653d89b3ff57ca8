// A storefront that knows Daybook by what openapi-typescript made of /openapi.json alone: puts a product on sale, orders
// it with a payment that is declined, pays in another way, and prints the order as a line of JSON.
//
// usage: node place_order.js BASE_URL SKU      where the front asks who comes, the variable API_KEY has an admin's key
import { randomUUID } from "node:crypto";
import createClient from "openapi-fetch";
import type { components, paths } from "./daybook.js";

type Order = components["schemas"]["Order"];
type Pending = components["schemas"]["PendingCommand"];
type Problem = components["schemas"]["Problem"];

const [baseUrl, sku] = process.argv.slice(2);
if (baseUrl === undefined || sku === undefined) {
  console.error("usage: node place_order.js BASE_URL SKU");
  process.exit(2);
}

const apiKey = process.env["API_KEY"];
const client = createClient<paths>({ baseUrl, headers: apiKey === undefined ? {} : { Authorization: `Bearer ${apiKey}` } });

// Each answer to a command has a position; whoever sends the last one back sees all that he did.
let position: string | undefined;
client.use({
  onRequest({ request }) {
    if (position !== undefined) {
      request.headers.set("Daybook-Position", position);
    }
  },
  onResponse({ response }) {
    position = response.headers.get("Daybook-Position") ?? position;
  },
});

const key = () => ({ header: { "Idempotency-Key": randomUUID() } });

function refused(problem: Problem): never {
  throw new Error(`${problem.status} ${problem.code}: ${problem.detail ?? problem.title}`);
}

function isPending(answer: object): answer is Pending {
  return "command" in answer;
}

/** What was asked for; "not decided yet" is a failure here. */
function done<T extends object>(answer: { data?: T | Pending; error?: Problem }): T {
  if (answer.error !== undefined) {
    refused(answer.error);
  }
  if (answer.data === undefined || isPending(answer.data)) {
    throw new Error("it was not decided in time");
  }
  return answer.data;
}

async function putOnSale(): Promise<void> {
  const product = done(
    await client.POST("/v1/products", {
      params: key(),
      body: { title: "A thing", variants: [{ sku: sku!, price: { amount: 1250, currency: "EUR" } }] },
    }),
  );
  done(await client.POST("/v1/products/{product}/publish", { params: { path: { product: product.id }, ...key() } }));
  done(
    await client.POST("/v1/stock/{sku}/receipts", {
      params: { path: { sku: sku! }, ...key() },
      body: { location: "main", quantity: 10 },
    }),
  );
}

async function order(): Promise<Order> {
  const cart = done(
    await client.POST("/v1/carts", { params: key(), body: { currency: "EUR", lines: [{ sku: sku!, quantity: 2 }] } }),
  );
  const answer = await client.POST("/v1/carts/{cart}/checkout", {
    params: { path: { cart: cart.id }, ...key() },
    body: { payment: { provider: "test", method: "decline" }, expected_total: cart.total },
  });
  const problem: Problem | undefined = answer.error;
  if (problem?.code !== "payment_declined" || problem.order === undefined) {
    throw new Error(`the payment was to be declined, not ${JSON.stringify(answer.data ?? problem)}`);
  }
  return done(
    await client.POST("/v1/orders/{order}/payments", {
      params: { path: { order: problem.order }, ...key() },
      body: { provider: "test", method: "approve" },
    }),
  );
}

await putOnSale();
const placed = await order();
const { data, error } = await client.GET("/v1/orders/{order}", { params: { path: { order: placed.id } } });
if (error !== undefined) {
  refused(error);
}
console.log(JSON.stringify(data));
