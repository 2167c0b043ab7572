import { createServer, type Server } from "node:http";
import { json as readJson } from "node:stream/consumers";
import type { Namespace } from "@raft2kube/api/gen/core/v1.ts";
import { InformerCopy } from "@raft2kube/client-kube/informer/copy.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, beforeEach, expect, it } from "vitest";
import { listening } from "../../testing/listening.ts";
import type { ControllerContext } from "../context.ts";
import { FINALIZERS_COUNTED_MAX, NAMESPACE_LOOK_MS, NAMESPACE_LOOK_MS_MAX } from "../limits.ts";
import { deleteContent } from "./content.ts";
import { startNamespaces } from "./namespace.ts";

/** Pages of objects of each kind that an API server has; they stay, for their finalizers. */
const PAGES = 40;
const OF_PAGE = 50;

let server: Server;
let client: KubeClient;
let isDeleted: boolean;
/** Accept headers of deletions. */
let accepted: string[];
/** Paths of all requests. */
let asked: string[];

let namespace: Namespace;
/** Versions of an aggregated server. */
let aggregated: object[];

const KINDS = { configmaps: "ConfigMap", secrets: "Secret" };
const RESOURCES = Object.entries(KINDS).map(([resource, kind]) => ({
  resource,
  scope: "Namespaced",
  verbs: ["list", "delete", "deletecollection"],
  responseKind: { kind },
}));

function page(resource: string, at: number): object {
  const items = Array.from({ length: OF_PAGE }, (_, i) => ({
    metadata: {
      name: `c${at}-${i}`,
      finalizers: ["x/all", `${resource}/${at}-${i}`],
      ...(isDeleted && { deletionTimestamp: "2026-01-01T00:00:00Z" }),
    },
  }));
  const next = at + 1 < PAGES ? { continue: String(at + 1) } : {};
  return { metadata: { resourceVersion: "1", ...next }, items };
}

beforeEach(async () => {
  [isDeleted, accepted, aggregated, asked] = [false, [], [], []];
  namespace = {
    metadata: {
      name: "n",
      uid: "n",
      resourceVersion: "1",
      deletionTimestamp: "2026-01-01T00:00:00Z",
    },
    spec: { finalizers: ["kubernetes"] },
  };
  server = createServer(async (request, response) => {
    const { method, url = "", headers } = request;
    const { pathname, searchParams } = new URL(url, "http://server");
    asked.push(pathname);
    const resource = pathname.split("/").at(-1)!;
    let answer: object = { items: [] };
    if (pathname === "/api") {
      answer = {
        items: [{ metadata: { name: "" }, versions: [{ version: "v1", resources: RESOURCES }] }],
      };
    } else if (pathname === "/apis") {
      answer = { items: [{ metadata: { name: "x.io" }, versions: aggregated }] };
    } else if (method === "DELETE") {
      isDeleted = true;
      accepted.push(headers.accept ?? "");
    } else if (resource in KINDS) {
      answer = page(resource, Number(searchParams.get("continue") ?? 0));
    } else {
      if (method === "PUT") namespace = (await readJson(request)) as Namespace;
      answer = namespace;
    }
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(answer));
  });
  const port = await listening(server);
  client = new KubeClient({ server: `http://127.0.0.1:${port}`, clock: systemClock(), qps: 1_000 });
});
afterEach(() => {
  client.close();
  server.closeAllConnections();
  server.close();
});

it("a namespace's objects are counted page by page, and some of their finalizers", async () => {
  const content = await deleteContent(client, "n");
  expect(content.failures).toEqual([]);
  expect(content.remaining).toEqual(
    new Map([
      ["configmaps.", PAGES * OF_PAGE],
      ["secrets.", PAGES * OF_PAGE],
    ]),
  );
  expect(content.finalizers.get("x/all")).toBe(2 * PAGES * OF_PAGE);
  expect(content.finalizers.size).toBe(FINALIZERS_COUNTED_MAX);
  // The answer to the deletion of a collection has all of it.
  expect(accepted).toEqual([expect.stringContaining("PartialObjectMetadataList")]);
});

it("a namespace that stays is looked at again where something is left, and nowhere else", async () => {
  const { kinds } = await deleteContent(client, "n");
  expect(kinds.map(({ plural }) => plural)).toEqual(Object.keys(KINDS));
  asked.length = 0;
  const { remaining } = await deleteContent(client, "n", kinds.slice(0, 1));
  expect(remaining).toEqual(new Map([["configmaps.", PAGES * OF_PAGE]]));
  expect(new Set(asked)).toEqual(new Set(["/api/v1/namespaces/n/configmaps"]));
});

it("a namespace stays, emptied, while an aggregated server does not answer", async () => {
  aggregated = [{ version: "v1", freshness: "Stale" }];
  const content = await deleteContent(client, "n");
  expect(isDeleted).toBe(true);
  expect(content.discoveryFailure).toBe("stale GroupVersion discovery: x.io/v1");
});

it("a namespace's own conditions are no reason to list its objects again", async () => {
  const clock = new ManualClock();
  const copy = new InformerCopy<Namespace>();
  let looks = 0;
  let wait = (): void => undefined;
  const waiting = new Promise<void>((resolve) => (wait = resolve));
  const follow = () => ({ added: () => looks++, taken() {}, done() {}, delayed: () => wait() });
  const running = startNamespaces({
    clock,
    client: () => client,
    informers: { of: () => Object.assign(copy, { synced: Promise.resolve() }) },
    metrics: { queues: { follow } },
  } as unknown as ControllerContext);
  const alive = { ...namespace, metadata: { name: "n", uid: "n", resourceVersion: "0" } };
  copy.apply({ type: "ADDED", object: alive });
  copy.apply({ type: "MODIFIED", object: namespace });
  await waiting;
  expect(namespace.status?.conditions?.at(-2)?.message).toContain("configmaps. has 2000");
  namespace.metadata.resourceVersion = "2";
  copy.apply({ type: "MODIFIED", object: namespace });
  clock.advance(NAMESPACE_LOOK_MS);
  expect(looks).toBe(1);
  asked.length = 0;
  clock.advance(NAMESPACE_LOOK_MS_MAX);
  expect(looks).toBe(2);
  await expect.poll(() => asked).toContain("/api/v1/namespaces/n");
  expect(asked.filter((path) => /^\/apis?$/.test(path))).toEqual([]);
  await running.close();
});
