import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask } from "../../testing/apiserver/ask.ts";
import { startApiserverOnStore } from "../../testing/apiserver/own-apiserver.ts";
import { type SendJson, senderTo } from "../../testing/apiserver/send-json.ts";
import type { TestApiserver } from "../../testing/apiserver/test-apiserver.ts";

const SECRET = "0123456789abcdef";
let api: TestApiserver;
let send: SendJson;

beforeAll(async () => {
  api = await startApiserverOnStore({ bootstrapTokens: true });
  send = await senderTo(api);
});
afterAll(() => api.close());

/** Makes a token's Secret, all well but for `more`. */
async function make(id: string, more: Record<string, string> = {}, type?: string): Promise<void> {
  const { status, body } = await send(
    "POST",
    "/api/v1/namespaces/kube-system/secrets",
    "application/json",
    {
      metadata: { name: `bootstrap-token-${id}` },
      type: type ?? "bootstrap.kubernetes.io/token",
      stringData: {
        "token-id": id,
        "token-secret": SECRET,
        "usage-bootstrap-authentication": "true",
        ...more,
      },
    },
  );
  expect(status, JSON.stringify(body)).toBe(201);
}

/** Returns the user and groups that the server authenticates a token as, or the status. */
async function whoIs(token: string): Promise<unknown> {
  const { status, body } = await ask(api, "/apis/authentication.k8s.io/v1/selfsubjectreviews", {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    body: { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" },
  });
  if (status !== 201) return status;
  const { userInfo } = (JSON.parse(body) as { status: { userInfo: object } }).status;
  return userInfo;
}

const later = (by_ms: number) => new Date(Date.now() + by_ms).toISOString();

it("a token is whom its Secret says", async () => {
  const groups = "system:bootstrappers:kubeadm:default-node-token,system:bootstrappers:a";
  await make("aaaaaa", { "auth-extra-groups": groups, expiration: later(3_600_000) });
  expect(await whoIs(`aaaaaa.${SECRET}`)).toEqual({
    username: "system:bootstrap:aaaaaa",
    groups: [
      "system:bootstrappers",
      "system:bootstrappers:a",
      "system:bootstrappers:kubeadm:default-node-token",
      "system:authenticated",
    ],
  });
});

describe("is refused:", () => {
  it.each([
    ["one that is not there", "bbbbb0", undefined],
    ["one past its time", "bbbbb1", { expiration: later(-1_000) }],
    ["one whose time cannot be read", "bbbbb2", { expiration: "soon" }],
    ["one for signing alone", "bbbbb3", { "usage-bootstrap-authentication": "false" }],
    ["one of another id", "bbbbb4", { "token-id": "cccccc" }],
    ["one with groups of others", "bbbbb5", { "auth-extra-groups": "system:masters" }],
    ["one with another secret", "bbbbb6", { "token-secret": "fedcba9876543210" }],
  ])("%s", async (_what, id, more) => {
    if (more) await make(id, more);
    expect(await whoIs(`${id}.${SECRET}`)).toBe(401);
  });

  it("a Secret of another type", async () => {
    await make("bbbbb7", {}, "Opaque");
    expect(await whoIs(`bbbbb7.${SECRET}`)).toBe(401);
  });
});
