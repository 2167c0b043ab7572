import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startApiserverOnEtcd } from "../../../testing/apiserver/own-apiserver.ts";
import { type SendJson, senderTo } from "../../../testing/apiserver/send-json.ts";
import type { TestApiserver } from "../../../testing/apiserver/test-apiserver.ts";

const CORE = "/api/v1/namespaces/default";
const JSON_TYPE = "application/json";
const ANNOTATION = "kubernetes.io/enforce-mountable-secrets";

let api: TestApiserver;
let send: SendJson;

beforeAll(async () => {
  api = await startApiserverOnEtcd();
  send = await senderTo(api);
  const account = {
    metadata: { name: "tight", annotations: { [ANNOTATION]: "true" } },
    secrets: [{ name: "own" }],
    imagePullSecrets: [{ name: "pull" }],
  };
  const made = await send("POST", `${CORE}/serviceaccounts`, JSON_TYPE, account);
  expect(made.status).toBe(201);
});
afterAll(() => api.close());

const container = { name: "c", image: "i" };
const create = (spec: object, metadata: object = { name: "p" }) =>
  send("POST", `${CORE}/pods`, JSON_TYPE, {
    metadata,
    spec: { serviceAccountName: "tight", containers: [container], ...spec },
  });
const fromSecret = (name: string) => ({
  env: [{ name: "V", valueFrom: { secretKeyRef: { name, key: "k" } } }],
});
const ofSecret = (name: string) => ({ envFrom: [{ secretRef: { name } }] });

describe("an account whose pods may use its own secrets alone", () => {
  it.each([
    ["a volume", { volumes: [{ name: "v", secret: { secretName: "other" } }] }],
    [
      "a projected volume",
      { volumes: [{ name: "v", projected: { sources: [{ secret: { name: "other" } }] } }] },
    ],
    ["a variable", { containers: [{ ...container, ...fromSecret("other") }] }],
    [
      "all of an environment (CVE-2024-3177)",
      { containers: [{ ...container, ...ofSecret("other") }] },
    ],
    [
      "an init container's environment",
      { initContainers: [{ ...container, name: "i", ...ofSecret("other") }] },
    ],
    ["a pull", { imagePullSecrets: [{ name: "other" }] }],
  ])("another one in %s is refused", async (_where, spec) => {
    const { status, body } = await create(spec);
    const why = 'secret "other" is not allowed because service account tight does not reference';
    expect([status, body["message"]]).toEqual([403, expect.stringContaining(why)]);
  });

  it("its own pass, and a container for debugging brings no other (CVE-2023-2728)", async () => {
    const spec = { containers: [{ ...container, ...ofSecret("own") }] };
    expect((await create(spec)).status).toBe(201);
    const debug = (name: string) => {
      const ephemeralContainers = [{ ...container, name: `debug-${name}`, ...ofSecret(name) }];
      const type = "application/strategic-merge-patch+json";
      return send("PATCH", `${CORE}/pods/p/ephemeralcontainers`, type, {
        spec: { ephemeralContainers },
      });
    };
    expect((await debug("other")).status).toBe(403);
    expect((await debug("own")).status).toBe(200);
  });
});

describe("a mirror pod", () => {
  const metadata = { name: "m", annotations: { "kubernetes.io/config.mirror": "x" } };
  const token = { serviceAccountToken: { path: "token", expirationSeconds: 3600 } };

  it.each([
    ["a variable", { containers: [{ ...container, ...fromSecret("own") }] }, "secrets"],
    [
      "a projected volume",
      { volumes: [{ name: "v", projected: { sources: [{ secret: { name: "own" } }] } }] },
      "secrets",
    ],
    ["a pull", { imagePullSecrets: [{ name: "own" }] }, "secrets"],
    ["a token", { volumes: [{ name: "v", projected: { sources: [token] } }] }, "Token"],
  ])("names no secret in %s", async (_where, spec, what) => {
    const { status, body } = await create({ serviceAccountName: undefined, ...spec }, metadata);
    expect([status, body["message"]]).toEqual([403, expect.stringContaining(what)]);
  });
});
