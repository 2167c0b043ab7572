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
