import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { Transport } from "@raft2kube/client-kube/transport/transport.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { planCluster, writeCluster } from "../spec/config.ts";
import { planJoiningNode } from "../spec/nodes.ts";
import { bringUpNodes, refuseTakenNames } from "./nodes.ts";

test("a token to join with is revoked when the addition is interrupted at once", async () => {
  const dir = testFolder("r2k-nodes-");
  const interrupt = new AbortController();
  const asked: string[] = [];
  const transport: Transport = {
    send: () => Promise.reject(new TypeError("nothing is streamed")),
    fetch: ({ method, path }) => {
      asked.push(`${method} ${path.replace(/bootstrap-token-\w+/, "TOKEN")}`);
      interrupt.abort();
      return Promise.resolve({ status: 200, headers: {}, body: Buffer.from("{}") });
    },
    close() {},
  };
  const roots = { data: join(dir, "data"), run: join(dir, "run") };
  const cluster = await planCluster("one", roots, {}, []);
  const guest = { memory_MiB: 512, disk_GiB: 1, proxyMode: "ipvs" } as const;
  const node = planJoiningNode(cluster, "machine", [], guest);
  const client = new KubeClient({ server: "http://api.example", transport });
  const context = { clock: systemClock(), signal: interrupt.signal, readyTimeout_ms: 0 };
  const adding = bringUpNodes(client, cluster, [node], context);
  await expect(adding).rejects.toMatchObject({ name: "AbortError" });
  const secrets = "/api/v1/namespaces/kube-system/secrets";
  expect(asked).toEqual([`POST ${secrets}`, `DELETE ${secrets}/TOKEN`]);
});

test("a node is not begun where the cluster's plugins are no longer", async () => {
  const dir = testFolder("r2k-nodes-");
  const refuse = () => Promise.reject(new TypeError("the API is not asked"));
  const transport: Transport = { send: refuse, fetch: refuse, close() {} };
  const roots = { data: join(dir, "data"), run: join(dir, "run") };
  const cniBinDir = join(dir, "none");
  const cluster = await planCluster("one", roots, { cniBinDir }, []);
  const node = planJoiningNode(cluster, "node-2", []);
  const client = new KubeClient({ server: "http://api.example", transport });
  const context = {
    clock: systemClock(),
    signal: new AbortController().signal,
    readyTimeout_ms: 0,
  };
  const adding = bringUpNodes(client, cluster, [node], context);
  await expect(adding).rejects.toThrow(`--cni-bin-dir: ${cniBinDir} is no folder`);
  expect(existsSync(node.dataDir)).toBe(false);
});

/** An API that has one Node, `has`, and records the requests. */
function apiWith(has: string) {
  const asked: string[] = [];
  const transport: Transport = {
    send: () => Promise.reject(new TypeError("nothing is streamed")),
    fetch: ({ method, path }) => {
      asked.push(`${method} ${path}`);
      const isThere = path.endsWith(`/nodes/${has}`);
      const body = isThere
        ? { metadata: { name: has } }
        : { kind: "Status", status: "Failure", reason: "NotFound", code: 404 };
      const status = isThere ? 200 : 404;
      return Promise.resolve({ status, headers: {}, body: Buffer.from(JSON.stringify(body)) });
    },
    close() {},
  };
  return { client: new KubeClient({ server: "http://api.example", transport }), asked };
}

test("a node does not get the name of a Node that another machine has", async () => {
  const { client } = apiWith("machine");
  const called = (nodeName: string) => [{ nodeName, dataDir: "/nowhere" }];
  const taken = { code: "NODE_EXISTS" };
  await expect(refuseTakenNames(client, called("machine"))).rejects.toMatchObject(taken);
  await expect(refuseTakenNames(client, called("free"))).resolves.toBeUndefined();
});

test("a start refuses a new node that has the name of another machine's Node", async () => {
  const dir = testFolder("r2k-nodes-");
  const roots = { data: join(dir, "data"), run: join(dir, "run") };
  const cluster = await planCluster("one", roots, {}, []);
  const [known, added] = ["known", "nfs"].map((name) => planJoiningNode(cluster, name, []));
  mkdirSync(known!.dataDir, { recursive: true });
  await writeCluster(known!);
  const { client, asked } = apiWith("nfs");
  const starting = refuseTakenNames(client, [known!, added!]);
  await expect(starting).rejects.toMatchObject({ code: "NODE_EXISTS" });
  expect(asked).toEqual(["GET /api/v1/nodes/nfs"]);
  // Files show whose a Node is: that of a node which has joined is no reason to refuse.
  await refuseTakenNames(apiWith("known").client, [known!, added!]);
});
