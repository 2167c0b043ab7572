import { expect, it } from "vitest";
import { fileApiserver } from "../../testing/apiserver/file-apiserver.ts";

const server = fileApiserver();
const create = (name: string, resourceVersion: string) =>
  server.ask("/api/v1/namespaces/default/configmaps", {
    method: "POST",
    body: { metadata: { name, resourceVersion } },
  });

it("the resource version 0 of a new object is none, another is refused", async () => {
  const made = await create("insisted", "0");
  expect(made.status, made.body).toBe(201);
  const { metadata } = JSON.parse(made.body) as { metadata: { resourceVersion: string } };
  expect(Number(metadata.resourceVersion)).toBeGreaterThan(0);
  expect((await create("other", "12")).status).toBe(500);
});

it("an owner that is named twice is stored once, with a warning", async () => {
  const owner = { apiVersion: "v1", kind: "Node", name: "n", uid: "u", controller: true };
  const other = { ...owner, controller: false };
  const path = "/api/v1/namespaces/default/configmaps";
  const ownersOf = ({ body }: { body: string }) =>
    (JSON.parse(body) as { metadata: { ownerReferences: unknown[] } }).metadata.ownerReferences;
  const metadata = { name: "owned", ownerReferences: [owner, other, owner] };
  const sent = { body: { metadata } };
  const made = await server.ask(path, { method: "POST", ...sent });
  const replaced = await server.ask(`${path}/owned`, { method: "PUT", ...sent });
  const headers = { "content-type": "application/merge-patch+json" };
  const patched = await server.ask(`${path}/owned`, { method: "PATCH", ...sent, headers });
  const texts = [made, replaced, patched].map((answer) => {
    expect(answer.status, answer.body).toBeLessThan(300);
    expect(ownersOf(answer)).toEqual([owner, other]);
    return String(answer.headers["warning"]);
  });
  const warning = "ownerReferences contains duplicate entries";
  expect(texts[0]).toContain(`${warning}; API server dedups`);
  expect(texts[1]).toContain(`${warning}; API server dedups`);
  expect(texts[2]).toContain(`${warning} after mutating admission happens; API server dedups`);
});
