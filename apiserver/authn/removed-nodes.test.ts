import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { get } from "node:https";
import { text } from "node:stream/consumers";
import { NODE_PARTS, type NodePart, nodeUser } from "@raft2kube/api/node-users.ts";
import { issueCertificate, type KeyPair } from "@raft2kube/pki/certificate.ts";
import { REMOVED_NODES } from "@raft2kube/pki/removed-nodes.ts";
import { beforeAll, expect, it } from "vitest";
import { ask } from "../../testing/apiserver/ask.ts";
import { fileApiserver } from "../../testing/apiserver/file-apiserver.ts";
import { type SendJson, senderTo } from "../../testing/apiserver/send-json.ts";
import { waitFor } from "../../testing/wait.ts";

const MINUTE_MS = 60_000;
const REMOVED_MS = Date.now() - MINUTE_MS;
const MAPS = `/api/v1/namespaces/${REMOVED_NODES.namespace}/configmaps`;
const patience = { timeout_ms: MINUTE_MS };
const server = fileApiserver();
let send: SendJson;

beforeAll(async () => {
  send = await senderTo(server.api);
});

/** Makes credentials that were issued `after_ms` after the removal. */
function issued(node: string, after_ms: number, part: NodePart = "kubelet"): Promise<KeyPair> {
  const { name, group } = nodeUser(part, node);
  const organizations = [group];
  const request = { commonName: name, organizations, usages: ["client"] as const, days: 1 };
  return issueCertificate(server.api.ca, request, REMOVED_MS + after_ms);
}

const review = { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" };
const statusFor = async (pair: KeyPair) => {
  const path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
  return (await ask(server.api, path, { method: "POST", body: review, ...pair })).status;
};

async function remove(data: Record<string, string>): Promise<void> {
  const map = { metadata: { name: REMOVED_NODES.name }, data };
  const path = `${MAPS}/${REMOVED_NODES.name}`;
  const { status } = await send(
    "PATCH",
    `${path}?fieldManager=t&force=true`,
    "application/apply-patch+yaml",
    { apiVersion: "v1", kind: "ConfigMap", ...map },
  );
  expect([200, 201]).toContain(status);
}

it("a removed node's certificates are refused, others' and later ones are not", async () => {
  const [old, renewed] = [await issued("gone", -MINUTE_MS), await issued("gone", MINUTE_MS)];
  const other = await issued("n", -MINUTE_MS);
  expect(await statusFor(old)).toBe(201);
  await remove({ gone: new Date(REMOVED_MS).toISOString(), odd: "yesterday" });
  await waitFor("the removal", async () => (await statusFor(old)) === 401, patience);
  for (const part of NODE_PARTS) {
    expect(await statusFor(await issued("gone", -MINUTE_MS, part)), part).toBe(401);
    expect(await statusFor(await issued("gone", MINUTE_MS, part)), part).toBe(201);
  }
  expect(await statusFor(other)).toBe(201);
  expect(await statusFor(await issued("odd", 0)), "a time that cannot be read").toBe(401);
  const half = await server.api.credentials("system:node:odd");
  expect(await statusFor(half), "a user of that name who is no node").toBe(201);
  await server.api.restart();
  expect([await statusFor(old), await statusFor(renewed)]).toEqual([401, 201]);
});

it("a watch that began before ends with the removal", async () => {
  const pair = await issued("watching", -MINUTE_MS);
  const path = "/api/v1/pods?watch=true&fieldSelector=spec.nodeName%3Dwatching";
  const asked = { ca: server.api.ca.cert, agent: false, ...pair };
  const sent = get(`${server.api.server}${path}`, asked);
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  expect(answer.statusCode).toBe(200);
  const ended = expect(text(answer)).rejects.toThrow("aborted");
  await remove({ watching: new Date(REMOVED_MS).toISOString() });
  await ended;
});
