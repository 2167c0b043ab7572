import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { Transport } from "@raft2kube/client-kube/transport/transport.ts";
import { expect, test } from "vitest";
import { refuseCertificates } from "./remove-node.ts";

test("a certificate that a node gets while it is removed is refused with the earlier ones", async () => {
  const requests = ["gone", "other"].map((node) => ({
    metadata: { name: `of-${node}` },
    spec: { username: `system:node:${node}`, groups: ["system:nodes"] },
  }));
  const writes: string[] = [];
  const transport: Transport = {
    send: () => Promise.reject(new TypeError("nothing is streamed")),
    fetch: ({ method, path }) => {
      if (method !== "GET") writes.push(`${method} ${path.replace(/.*\/|\?.*/g, "")}`);
      const items = path.includes("certificatesigningrequests") ? requests : undefined;
      const body = JSON.stringify({ metadata: { name: "r2k-removed-nodes" }, items });
      return Promise.resolve({ status: 200, headers: {}, body: Buffer.from(body) });
    },
    close() {},
  };
  await refuseCertificates(new KubeClient({ server: "http://api.example", transport }), "gone");
  const once = ["PATCH r2k-removed-nodes", "DELETE of-gone"];
  expect(writes).toEqual([...once, ...once]);
});
