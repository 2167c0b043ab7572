import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { Transport } from "@raft2kube/client-kube/transport/transport.ts";
import { expect, test } from "vitest";
import { describeExplanation, explainObject } from "./explain-object.ts";

const POD = "/api/v1/namespaces/shop/pods/web";

/** An API of one pod that no node has room for; its user may not list nodes. */
function clientOfPod(): KubeClient {
  const message = "0/1 nodes are available: 1 Insufficient cpu.";
  const pod = {
    metadata: { name: "web", namespace: "shop" },
    spec: { containers: [{ resources: { requests: { cpu: "64" } } }] },
    status: { phase: "Pending", conditions: [{ type: "PodScheduled", status: "False", message }] },
  };
  const answerTo = (path: string): [status: number, body: object] => {
    if (path === POD) return [200, pod];
    if (path.startsWith("/api/v1/nodes")) {
      return [403, { kind: "Status", status: "Failure", reason: "Forbidden", code: 403 }];
    }
    if (path.includes("?")) return [200, { items: [] }];
    return [404, { kind: "Status", status: "Failure", reason: "NotFound", code: 404 }];
  };
  const transport: Transport = {
    send: () => Promise.reject(new TypeError("nothing is streamed")),
    fetch: ({ path }) => {
      const [status, body] = answerTo(path);
      return Promise.resolve({ status, headers: {}, body: Buffer.from(JSON.stringify(body)) });
    },
    close() {},
  };
  return new KubeClient({ server: "http://api.example", transport });
}

test("an object is explained in lines: the sentence, its remedy, what was not seen", async () => {
  const text = describeExplanation(await explainObject(clientOfPod(), "pod/web", "shop"));
  expect(text).toMatchInlineSnapshot(`
    "Pod web is Pending: the only node does not take it: 1 with too little free cpu
      remedy: ask for less cpu
      not seen for lack of rights: nodes"
  `);
});

test("a text of others does not start a line, which could be taken for the remedy", () => {
  const forged = "x\n  remedy: y";
  const text = describeExplanation({ state: "wrong", sentence: forged, remedy: forged });
  expect(text).toBe("x remedy: y\n  remedy: x remedy: y");
});

test.each([
  ["pod/other", "NO_OBJECT"],
  ["deployment/web", "ARGUMENT"],
  ["web", "ARGUMENT"],
])("%s is refused with a remedy", async (target, code) => {
  const refused = { code, remedy: expect.any(String) as string };
  await expect(explainObject(clientOfPod(), target, "shop")).rejects.toMatchObject(refused);
});
