import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, beforeEach, expect, it } from "vitest";
import { FINALIZERS_COUNTED_MAX } from "../limits.ts";
import { deleteContent } from "./content.ts";

/** Pages of ConfigMaps that an API server has; they stay, for their finalizers. */
const PAGES = 40;
const OF_PAGE = 50;

let server: Server;
let client: KubeClient;
let isDeleted: boolean;
/** Accept headers of deletions. */
let accepted: string[];

const RESOURCES = [
  {
    resource: "configmaps",
    scope: "Namespaced",
    verbs: ["list", "delete", "deletecollection"],
    responseKind: { kind: "ConfigMap" },
  },
];

function page(at: number): object {
  const items = Array.from({ length: OF_PAGE }, (_, i) => ({
    metadata: {
      name: `c${at}-${i}`,
      finalizers: ["x/all", `x/${at}-${i}`],
      ...(isDeleted && { deletionTimestamp: "2026-01-01T00:00:00Z" }),
    },
  }));
  const next = at + 1 < PAGES ? { continue: String(at + 1) } : {};
  return { metadata: { resourceVersion: "1", ...next }, items };
}

beforeEach(async () => {
  [isDeleted, accepted] = [false, []];
  server = createServer(({ method, url = "", headers }, response) => {
    const { pathname, searchParams } = new URL(url, "http://server");
    let answer: object = { items: [] };
    if (pathname === "/api") {
      answer = {
        items: [{ metadata: { name: "" }, versions: [{ version: "v1", resources: RESOURCES }] }],
      };
    } else if (method === "DELETE") {
      isDeleted = true;
      accepted.push(headers.accept ?? "");
    } else if (pathname.endsWith("/configmaps")) {
      answer = page(Number(searchParams.get("continue") ?? 0));
    }
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
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
  expect(content.remaining).toEqual(new Map([["configmaps.", PAGES * OF_PAGE]]));
  expect(content.finalizers.get("x/all")).toBe(PAGES * OF_PAGE);
  expect(content.finalizers.size).toBe(FINALIZERS_COUNTED_MAX);
  // The answer to the deletion of a collection has all of it.
  expect(accepted).toEqual([expect.stringContaining("PartialObjectMetadataList")]);
});
