import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { Transport } from "@raft2kube/client-kube/transport/transport.ts";
import { expect, test } from "vitest";
import { deleteNfsClass } from "./nfs-class.ts";
import { deleteObjects } from "./remove-node.ts";

const CLASS = "/apis/storage.k8s.io/v1/storageclasses/nfs";

/** An API whose only object is the class `nfs` of this node's server, 10.200.0.3. */
function apiWithClassOf(node: string) {
  const deleted: string[] = [];
  const transport: Transport = {
    send: () => Promise.reject(new TypeError("nothing is streamed")),
    fetch: ({ method, path }) => {
      if (method === "DELETE") deleted.push(path);
      const body = path.startsWith(CLASS)
        ? {
            metadata: { name: "nfs", labels: { "r2k.io/nfs-server": node } },
            parameters: { server: "10.200.0.3" },
          }
        : { kind: "Status", status: "Failure", reason: "NotFound", code: 404 };
      const status = path.startsWith(CLASS) ? 200 : 404;
      return Promise.resolve({ status, headers: {}, body: Buffer.from(JSON.stringify(body)) });
    },
    close() {},
  };
  return { client: new KubeClient({ server: "http://api.example", transport }), deleted };
}

test("removing the node that serves NFS deletes its class, and no other's", async () => {
  for (const [serves, expected] of [
    ["nfs", [CLASS]],
    ["other", []],
  ] as const) {
    const { client, deleted } = apiWithClassOf(serves);
    await deleteObjects(client, "nfs");
    expect(deleted).toContain("/api/v1/nodes/nfs");
    expect(deleted.filter((path) => path.includes("storageclasses"))).toEqual(expected);
  }
});

test("a class with another server's address makes way, one with this server's stays", async () => {
  for (const [server, expected] of [
    ["10.200.0.4", [CLASS]],
    ["10.200.0.3", []],
  ] as const) {
    const { client, deleted } = apiWithClassOf("nfs");
    await deleteNfsClass(client, "nfs", server);
    expect(deleted).toEqual(expected);
  }
});
