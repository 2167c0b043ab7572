import { expect, test } from "vitest";
import { TransportError } from "../errors.ts";
import { LIST_PAGE_BYTES_MAX, LIST_PAGE_SIZE, RESPONSE_BYTES_MAX } from "../limits.ts";
import type { HttpRequest, Transport } from "../transport/transport.ts";
import { KubeClient } from "./client.ts";
import { PODS } from "./resources.ts";

const OBJECT_BYTES = 1.5 * 1024 * 1024;

/** A server of `count` objects of OBJECT_BYTES each; `limits` are those of its answers in order. */
function startServer(count: number, { hasPages = true } = {}) {
  const limits: number[] = [];
  const fetch = async ({ path, bytes_max = RESPONSE_BYTES_MAX }: HttpRequest) => {
    const query = new URL(path, "http://server").searchParams;
    const limit = Number(query.get("limit"));
    const from = Number(query.get("continue") ?? 0);
    const end = hasPages ? Math.min(count, from + limit) : count;
    if ((end - from) * OBJECT_BYTES > bytes_max) throw new TransportError("ETOOBIG", "too large");
    limits.push(limit);
    const items = Array.from({ length: end - from }, (_, at) => ({
      metadata: { name: `p${from + at}` },
    }));
    const metadata = end < count ? { continue: `${end}` } : {};
    return { status: 200, headers: {}, body: Buffer.from(JSON.stringify({ metadata, items })) };
  };
  const transport: Transport = { fetch, send: () => Promise.reject(), close: () => undefined };
  return { limits, client: new KubeClient({ server: "http://server", transport }) };
}

test("a list of objects as large as tenants and nodes may write them ends, in smaller pages", async () => {
  const { client, limits } = startServer(LIST_PAGE_SIZE);
  expect(LIST_PAGE_SIZE * OBJECT_BYTES).toBeGreaterThan(RESPONSE_BYTES_MAX);
  const { items } = await client.resource(PODS).listAll();
  expect(items.map(({ metadata }) => metadata.name)).toEqual(
    Array.from({ length: LIST_PAGE_SIZE }, (_, at) => `p${at}`),
  );
  expect(Math.max(...limits) * OBJECT_BYTES).toBeLessThan(LIST_PAGE_BYTES_MAX);
  expect(limits.length).toBeLessThan(LIST_PAGE_SIZE / 16);
  client.close();
});

test("a server without pages may answer with more than one page has", async () => {
  const { client } = startServer(100, { hasPages: false });
  expect(100 * OBJECT_BYTES).toBeGreaterThan(LIST_PAGE_BYTES_MAX);
  expect((await client.resource(PODS).listAll()).items).toHaveLength(100);
  client.close();
});
