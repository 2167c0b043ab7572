import { expect, it } from "vitest";
import { ask } from "../../testing/apiserver/ask.ts";
import { fileApiserver } from "../../testing/apiserver/file-apiserver.ts";
import { grant } from "../testing/grant.ts";

const server = fileApiserver();
const NAMESPACES = "/api/v1/namespaces";
const MERGE = { "content-type": "application/merge-patch+json" };

async function made(name: string): Promise<void> {
  const answer = await server.ask(NAMESPACES, { method: "POST", body: { metadata: { name } } });
  expect(answer.status, answer.body).toBe(201);
}

it("full permissions in one namespace reach no other", async () => {
  for (const name of ["mine", "other"]) await made(name);
  const everything = [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }];
  const owner = await grant(server, "owner", "mine", everything);
  const asOwner = async (method: string, path: string, body?: object) => {
    const answer = await ask(server.api, path, { ...owner, method, ...(body && { body }) });
    return answer.status;
  };
  expect(await asOwner("GET", `${NAMESPACES}/mine`)).toBe(200);
  const inside = `${NAMESPACES}/mine/namespaces`;
  const body = { metadata: { name: "other" }, spec: {} };
  expect(await asOwner("GET", inside)).toBe(404);
  expect(await asOwner("GET", `${inside}?fieldSelector=metadata.name%3Dmine`)).toBe(404);
  expect(await asOwner("POST", inside, { metadata: { name: "more" } })).toBe(404);
  expect(await asOwner("DELETE", inside)).toBe(404);
  expect(await asOwner("GET", `${inside}/other`)).toBe(404);
  expect(await asOwner("GET", `${inside}/other/status`)).toBe(404);
  expect(await asOwner("PUT", `${inside}/other/finalize`, body)).toBe(404);
  expect(await asOwner("DELETE", `${inside}/other`)).toBe(404);
  expect(await asOwner("GET", `/api/v1/watch/namespaces/mine/namespaces/other`)).toBe(404);
});

it("a namespace that is going stays until it is empty, whatever else changes in it", async () => {
  await made("going");
  const path = `${NAMESPACES}/going`;
  expect((await server.ask(path, { method: "DELETE" })).status).toBe(200);
  const change = async (target: string, body: object) => {
    const answer = await server.ask(target, { method: "PATCH", headers: MERGE, body });
    expect(answer.status, answer.body).toBe(200);
  };
  await change(path, { metadata: { labels: { a: "b" } } });
  await change(`${path}/status`, { status: { conditions: [{ type: "Odd", status: "True" }] } });
  const found = await server.ask(path);
  expect([found.status, found.body]).toEqual([200, expect.stringContaining(`"Terminating"`)]);
  const emptied = { ...(JSON.parse(found.body) as object), spec: {} };
  const last = await server.ask(`${path}/finalize`, { method: "PUT", body: emptied });
  expect(last.status, last.body).toBe(200);
  expect((await server.ask(path)).status).toBe(404);
});
