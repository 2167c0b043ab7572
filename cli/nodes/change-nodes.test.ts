import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { Transport } from "@raft2kube/client-kube/transport/transport.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { lockNodes, refuseTakenName } from "./change-nodes.ts";

test("one command at a time changes a cluster's nodes", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "r2k-nodes-"));
  const cluster = { name: "one", dataDir };
  const clock = systemClock();
  try {
    const first = await lockNodes(cluster, clock);
    await expect(lockNodes(cluster, clock, 0)).rejects.toMatchObject({ code: "BUSY" });
    const second = lockNodes(cluster, clock);
    first[Symbol.dispose]();
    (await second)[Symbol.dispose]();
  } finally {
    rmSync(dataDir, { recursive: true });
  }
});

test("a node does not get the name of a Node that another machine has", async () => {
  const transport: Transport = {
    send: () => Promise.reject(new TypeError("nothing is streamed")),
    fetch: ({ path }) => {
      const isThere = path.endsWith("/nodes/machine");
      const body = isThere
        ? { metadata: { name: "machine" } }
        : { kind: "Status", status: "Failure", reason: "NotFound", code: 404 };
      const status = isThere ? 200 : 404;
      return Promise.resolve({ status, headers: {}, body: Buffer.from(JSON.stringify(body)) });
    },
    close() {},
  };
  const client = new KubeClient({ server: "http://api.example", transport });
  await expect(refuseTakenName(client, "machine")).rejects.toMatchObject({ code: "NODE_EXISTS" });
  await expect(refuseTakenName(client, "free")).resolves.toBeUndefined();
});
