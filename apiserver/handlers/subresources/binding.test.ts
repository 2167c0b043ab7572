import { beforeAll, expect, it } from "vitest";
import { fileApiserver } from "../../../testing/apiserver/file-apiserver.ts";

const NS = "/api/v1/namespaces/default";

interface Pod {
  metadata: { uid: string; resourceVersion: string };
  spec: { nodeName?: string };
  status: { nominatedNodeName?: string; phase: string };
}

const server = fileApiserver();

const post = (path: string, body: object) => server.ask(path, { method: "POST", body });
const bind = (metadata: object) =>
  post(`${NS}/pods/p/binding`, { metadata: { name: "p", ...metadata }, target: { name: "n" } });
const pod = async () => JSON.parse((await server.ask(`${NS}/pods/p`)).body) as Pod;

beforeAll(async () => {
  await post(`${NS}/serviceaccounts`, { metadata: { name: "default" } });
  const spec = { containers: [{ name: "c", image: "i" }] };
  expect((await post(`${NS}/pods`, { metadata: { name: "p" }, spec })).status).toBe(201);
});

it("a binding holds for the pod as it names it, and ends its nomination", async () => {
  const { metadata: before } = await pod();
  const nominated = await server.ask(`${NS}/pods/p/status`, {
    method: "PATCH",
    body: { status: { nominatedNodeName: "n" } },
    headers: { "content-type": "application/merge-patch+json" },
  });
  expect(nominated.status, nominated.body).toBe(200);
  const { metadata: now } = await pod();
  expect(now.resourceVersion).not.toBe(before.resourceVersion);
  for (const [stale, why] of [
    [{ resourceVersion: before.resourceVersion }, "ResourceVersion in precondition"],
    [{ uid: "another", resourceVersion: now.resourceVersion }, "UID in precondition"],
  ] as const) {
    const refused = await bind(stale);
    expect([refused.status, refused.body]).toEqual([409, expect.stringContaining(why)]);
  }
  const bound = await bind({ uid: now.uid, resourceVersion: now.resourceVersion });
  expect(bound.status, bound.body).toBe(201);
  const { spec, status } = await pod();
  expect(spec.nodeName).toBe("n");
  expect(status.nominatedNodeName).toBeUndefined();
  expect(status.phase).toBe("Pending");
});
