import * as http from "node:http";
import { text } from "node:stream/consumers";
import type { ConfigMap } from "@raft2kube/api/gen/core/v1.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { seededRandom } from "@raft2kube/std/random.ts";
import { afterEach, describe, expect, test } from "vitest";
import { listening } from "../../testing/listening.ts";
import { waitFor } from "../../testing/wait.ts";
import { isNotFound, KubeError } from "./errors.ts";
import { Informer } from "./informer/informer.ts";
import { KubeClient } from "./rest/client.ts";
import { CONFIG_MAPS } from "./rest/resources.ts";

/**
 * Behaviour that an apiserver may show on the wire and a healthy one rarely does: expiry,
 * throttling, cut connections, garbage. Each test plays a script of answers, in order, over a real
 * socket.
 */
type Answer = (request: http.IncomingMessage, response: http.ServerResponse) => void;

const clock = systemClock();
const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(...answers: Answer[]) {
  const urls: string[] = [];
  const server = http.createServer((request, response) => {
    urls.push(`${request.method ?? ""} ${decodeURIComponent(request.url ?? "")}`);
    const answer = answers.shift();
    if (answer) answer(request, response);
    else response.writeHead(200).flushHeaders();
  });
  const port = await listening(server);
  const client = new KubeClient({ server: `http://127.0.0.1:${port}`, clock });
  cleanups.push(() => {
    client.close();
    server.closeAllConnections();
    return new Promise<void>((resolve) => void server.close(() => resolve()));
  });
  return { client, urls };
}

function json(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  return (_request, response) => response.writeHead(status, headers).end(JSON.stringify(body));
}

function failure(code: number, reason: string): unknown {
  return { kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message: reason };
}

function map(name: string, resourceVersion: string): ConfigMap {
  return { metadata: { name, namespace: "ns", uid: name, resourceVersion } };
}

function page(items: ConfigMap[], resourceVersion: string, token?: string): Answer {
  return json(200, { metadata: { resourceVersion, continue: token }, items });
}

function stream(...events: unknown[]): Answer {
  return (_request, response) => {
    response.writeHead(200);
    for (const event of events) response.write(`${JSON.stringify(event)}\n`);
    response.end();
  };
}

describe("requests", () => {
  test("a Status becomes a KubeError with its reason", async () => {
    const { client } = await serve(json(404, failure(404, "NotFound")));
    const got = client.resource(CONFIG_MAPS).get({ namespace: "ns", name: "x" });
    await expect(got).rejects.toSatisfy(isNotFound);
  });

  test("an error that is no Status keeps its code and text", async () => {
    const { client } = await serve((_request, response) => response.writeHead(502).end("bad door"));
    const got = client.resource(CONFIG_MAPS).get({ namespace: "ns", name: "x" });
    await expect(got).rejects.toMatchObject({ http: 502, message: /bad door/ });
  });

  test.each(["GET", "POST"])(
    "a %s is sent again, with its body, after a 5xx with a Retry-After",
    async (method) => {
      const bodies: string[] = [];
      const failing =
        (code: number, headers: Record<string, string>): Answer =>
        async (request, response) => {
          bodies.push(await text(request));
          json(code, failure(code, "ServerTimeout"), headers)(request, response);
        };
      const retry = { "retry-after": "0" };
      const { client, urls } = await serve(failing(504, retry), failing(500, retry), json(200, {}));
      const body = method === "POST" ? { some: "object" } : undefined;
      await client.request({ method, path: "/", body });
      expect(urls).toHaveLength(3);
      expect(bodies).toEqual(method === "POST" ? Array(2).fill(JSON.stringify(body)) : ["", ""]);
      const without = await serve(failing(500, {}), json(200, {}));
      const failed = without.client.request({ method, path: "/", body });
      await expect(failed).rejects.toMatchObject({ http: 500 });
    },
  );

  test("a watch or a log is opened again after a 5xx with a Retry-After", async () => {
    const busy = json(503, failure(503, "ServiceUnavailable"), { "retry-after": "0" });
    const { client, urls } = await serve(busy, busy, json(200, map("x", "1")));
    const { status, body } = await client.open({ method: "GET", path: "/watch" });
    expect([status, JSON.parse(await text(body))]).toEqual([200, map("x", "1")]);
    expect(urls).toHaveLength(3);
    const without = await serve(json(503, failure(503, "ServiceUnavailable")));
    const failed = without.client.open({ method: "GET", path: "/watch" });
    await expect(failed).rejects.toMatchObject({ http: 503, code: "ServiceUnavailable" });
    expect(without.urls).toHaveLength(1);
  });

  test("429 with Retry-After is tried again, other errors are not", async () => {
    const throttled = json(429, failure(429, "TooManyRequests"), { "retry-after": "0" });
    const { client, urls } = await serve(throttled, throttled, json(200, map("x", "1")));
    const got = await client.resource(CONFIG_MAPS).create(map("x", ""));
    expect(got.metadata.resourceVersion).toBe("1");
    expect(urls).toHaveLength(3);
    const second = await serve(json(500, failure(500, "InternalError")));
    const created = second.client.resource(CONFIG_MAPS).create(map("x", ""));
    await expect(created).rejects.toBeInstanceOf(KubeError);
    expect(second.urls).toHaveLength(1);
  });

  test("a request without an answer ends at its deadline", async () => {
    const { client } = await serve(() => {});
    const sent = client.requestText({ method: "GET", path: "/healthz", timeout_ms: 50 });
    await expect(sent).rejects.toMatchObject({ code: "ETIMEDOUT" });
  });

  test("a body that stops half-way ends at the deadline too", async () => {
    const { client } = await serve((_request, response) => response.writeHead(200).write("{"));
    const sent = client.request({ method: "GET", path: "/x", timeout_ms: 50 });
    await expect(sent).rejects.toMatchObject({ code: "ETIMEDOUT" });
  });

  test.each([
    ["that ends with the connection", { connection: "close", "transfer-encoding": "identity" }],
    ["of a length", { "content-length": "100" }],
    ["in chunks", {}],
  ])("a canceled request fails, though a part of its body came: one %s", async (_, headers) => {
    const cancel = new AbortController();
    const { client } = await serve((_request, response) => {
      response.writeHead(200, headers);
      response.write("half", () => setImmediate(() => cancel.abort()));
    });
    const got = client.requestText({ method: "GET", path: "/x", signal: cancel.signal });
    await expect(got).rejects.toMatchObject({ code: "ECANCELED" });
  });

  test("a deadline that passes while it waits to try again names the answer before", async () => {
    const seen: number[] = [];
    const throttled = json(429, failure(429, "TooManyRequests"), { "retry-after": "1" });
    const { client } = await serve(throttled);
    const observed = new KubeClient({
      server: client.server,
      clock,
      observer: (_method, status) => void seen.push(status),
    });
    cleanups.push(() => observed.close());
    const got = observed.requestText({ method: "GET", path: "/x", timeout_ms: 800 });
    await expect(got).rejects.toMatchObject({ code: "ETIMEDOUT", cause: { http: 429 } });
    expect(seen).toEqual([429]);
  });

  test("names are encoded into one path segment", async () => {
    const { client, urls } = await serve(json(200, map("x", "1")));
    await client.resource(CONFIG_MAPS).get({ namespace: "ns", name: "a/b?c" });
    expect(urls[0]).toBe("GET /api/v1/namespaces/ns/configmaps/a/b?c");
  });
});

describe("watch", () => {
  test("events may be cut anywhere, also within a character", async () => {
    const line = `${JSON.stringify({ type: "ADDED", object: map("ü", "1") })}\n`;
    const bytes = Buffer.from(line + line);
    const { client } = await serve((_request, response) => {
      response.writeHead(200);
      for (const byte of bytes) response.write(Buffer.from([byte]));
      response.end();
    });
    const names: string[] = [];
    for await (const { object } of client.resource(CONFIG_MAPS).watch()) {
      names.push(object.metadata.name ?? "");
    }
    expect(names).toEqual(["ü", "ü"]);
  });

  test("close ends a watch that waits", async () => {
    const { client, urls } = await serve();
    const watch = client.resource(CONFIG_MAPS).watch();
    const reading = (async () => {
      for await (const event of watch) throw new Error(`unexpected ${event.type}`);
    })();
    await waitFor("the watch to arrive", () => urls.length === 1);
    watch.close();
    await reading;
  });
});

describe("Informer", () => {
  test("pages, watches, continues, lists again after 410 and reports deleted objects", async () => {
    const expired = { type: "ERROR", object: failure(410, "Expired") };
    const bookmark = { type: "BOOKMARK", object: { metadata: { resourceVersion: "15" } } };
    const { client, urls } = await serve(
      page([map("a", "1"), map("b", "2")], "10", "next"),
      page([map("c", "3")], "10"),
      stream({ type: "MODIFIED", object: map("a", "11") }, bookmark),
      stream(expired),
      page([map("a", "11"), map("d", "20")], "20"),
      stream({ type: "DELETED", object: map("d", "21") }),
    );
    const resource = client.resource(CONFIG_MAPS);
    const random = seededRandom(1);
    const informer = new Informer({ resource, clock, random });
    cleanups.push(() => informer.close());
    const calls: string[] = [];
    informer.handle({
      added: (object) => calls.push(`+${object.metadata.name}`),
      updated: (object) => calls.push(`~${object.metadata.name}`),
      deleted: ({ metadata }) => calls.push(`-${metadata.name}@${metadata.resourceVersion}`),
    });
    expect(informer.hasSynced).toBe(false);
    informer.start();
    await informer.synced;
    await waitFor("the last event", () => calls.includes("-d@21"));
    expect(calls).toEqual(["+a", "+b", "+c", "~a", "+d", "-b@2", "-c@3", "-d@21"]);
    expect(informer.store.list().map((object) => object.metadata.name)).toEqual(["a"]);
    expect(urls[0]).toContain("limit=500");
    expect(urls[1]).toContain("continue=next");
    expect(urls[2]).toContain("resourceVersion=10");
    expect(urls[3]).toContain("resourceVersion=15");
    expect(urls[4]).not.toContain("watch");
    await waitFor("the next watch", () => urls.length > 6);
    expect(urls[6]).toContain("resourceVersion=21");
  });

  test("a page that came too late is followed by one list without pages", async () => {
    const { client, urls } = await serve(
      page([map("a", "1")], "10", "next"),
      json(410, failure(410, "Expired")),
      page([map("a", "1"), map("b", "2")], "12"),
    );
    const informer = new Informer({ resource: client.resource(CONFIG_MAPS), clock });
    cleanups.push(() => informer.close());
    informer.start();
    await informer.synced;
    expect(informer.store.size).toBe(2);
    expect(urls[2]).not.toContain("limit");
  });

  test("an object replaced by another of its name is reported as deleted and added", async () => {
    const other = { ...map("a", "5"), metadata: { ...map("a", "5").metadata, uid: "a2" } };
    const replaced = stream({ type: "MODIFIED", object: other });
    const { client } = await serve(page([map("a", "1")], "1"), replaced);
    const informer = new Informer({ resource: client.resource(CONFIG_MAPS), clock });
    cleanups.push(() => informer.close());
    const calls: string[] = [];
    informer.handle({
      added: (object) => calls.push(`+${object.metadata.uid}`),
      updated: (object) => calls.push(`~${object.metadata.uid}`),
      deleted: (object) => calls.push(`-${object.metadata.uid}`),
    });
    informer.start();
    await waitFor("the replacement", () => calls.length === 3);
    expect(calls).toEqual(["+a", "-a", "+a2"]);
  });
});
