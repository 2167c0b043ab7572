import { generateKeyPairSync } from "node:crypto";
import { Agent } from "node:https";
import { createCa, issueCertificate } from "@raft2kube/pki/certificate.ts";
import { readSigningKey, signToken } from "@raft2kube/pki/service-account-key.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import type { JWTPayload } from "jose";
import { beforeAll, expect, it } from "vitest";
import { fileApiserver } from "../../testing/apiserver/file-apiserver.ts";

const real = systemClock();
/** How far the server's time is ahead. */
let ahead_ms = 0;
const server = fileApiserver({
  clock: {
    now: () => real.now() + ahead_ms,
    monotonic: () => real.monotonic() + ahead_ms,
    after: (ms, run) => real.after(ms, run),
  },
});
const ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts";
const REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews";
const OURS = "https://kubernetes.default.svc";

beforeAll(async () => {
  const body = { metadata: { name: "bot" } };
  expect((await server.ask(ACCOUNTS, { method: "POST", body })).status).toBe(201);
});

async function tokenFor(audience: string): Promise<string> {
  const body = { spec: { audiences: [audience] } };
  const answer = await server.ask(`${ACCOUNTS}/bot/token`, { method: "POST", body });
  return (JSON.parse(answer.body) as { status: { token: string } }).status.token;
}

async function review(token: string, audiences?: string[]): Promise<object> {
  const body = { spec: { token, ...(audiences && { audiences }) } };
  const answer = await server.ask(REVIEWS, { method: "POST", body });
  return (JSON.parse(answer.body) as { status: object }).status;
}

/** The status of a request that shows a token, and no certificate. */
async function shown(token: string): Promise<number> {
  const headers = { authorization: `Bearer ${token}` };
  return (await server.ask("/version", { headers, cert: "", key: "" })).status;
}

const INVALID: unknown = expect.stringContaining("invalid bearer token");

it("a token is good for the audiences it was made for alone", async () => {
  const vault = await tokenFor("vault");
  expect(await review(vault)).toMatchObject({ error: INVALID });
  expect(await review(vault, ["vault", "other"])).toMatchObject({
    authenticated: true,
    audiences: ["vault"],
  });
  expect(await shown(vault)).toBe(401);
  expect(await shown(await tokenFor(OURS))).toBe(200);
});

it("what was found out of one token says nothing of another with other audiences", async () => {
  const foreign = await tokenFor(`x${OURS}`);
  expect(await review(foreign, [`x${OURS}`])).toMatchObject({ authenticated: true });
  expect(await shown(`${foreign}x`)).toBe(401);
  const own = await tokenFor(OURS);
  expect(await review(own.slice(0, -1), [own.slice(-1) + OURS])).toMatchObject({ error: INVALID });
  expect(await shown(own)).toBe(200);
});

it("a token is good until its time is up, and not before its time", async () => {
  const token = await tokenFor(OURS);
  expect(await shown(token)).toBe(200);
  const HOUR_MS = 3_600_000;
  ahead_ms = HOUR_MS - 60_000;
  expect(await shown(token)).toBe(200);
  // A cached result is not used after the token's expiry.
  ahead_ms = HOUR_MS + 60_000;
  expect(await shown(token)).toBe(401);
  ahead_ms = -HOUR_MS;
  expect(await shown(token)).toBe(401);
  ahead_ms = 0;
});

it("a token that was changed, or is of another key, issuer or account, is refused", async () => {
  const [header, payload = "", signature] = (await tokenFor(OURS)).split(".");
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as JWTPayload;
  const signer = readSigningKey(server.api.serviceAccountKey);
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const changed = (more: object) => ({ ...claims, ...more });
  const bound = { namespace: "default", serviceaccount: { name: "bot", uid: "another" } };
  const other = Buffer.from(JSON.stringify(changed({ jti: "x" }))).toString("base64url");
  expect(await shown(await signToken(changed({ jti: "x" }), signer))).toBe(200);
  for (const token of [
    `${header}.${other}.${signature}`,
    await signToken(claims, { ...signer, privateKey }),
    await signToken(changed({ iss: "https://elsewhere" }), signer),
    await signToken(changed({ sub: "system:serviceaccount:default:default" }), signer),
    await signToken(changed({ "kubernetes.io": bound }), signer),
    await signToken(changed({ nbf: 2 ** 60 }), signer),
    await signToken(changed({ exp: "never" } as object), signer),
    await signToken(changed({ exp: [2 ** 40] } as object), signer),
  ]) {
    expect(await shown(token), token).toBe(401);
  }
});

it("a token with any header at all is refused, and fails nothing", async () => {
  const part = (json: string) => Buffer.from(json).toString("base64url");
  const claims = part(JSON.stringify({ iss: OURS, aud: [OURS], sub: "x" }));
  for (const header of ["null", "[]", "1", "{", "{}", '{"alg":"none"}', '{"alg":1,"kid":[]}']) {
    const token = `${part(header)}.${claims}.AA`;
    expect([header, await shown(token)]).toEqual([header, 401]);
    expect(await review(token)).toMatchObject({ error: INVALID });
  }
});

it("a certificate is good until its time is up, on a connection that lasts, too", async () => {
  const credentials = await server.api.credentials("somebody");
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const asked = async () => (await server.ask("/version", { ...credentials, agent })).status;
  expect(await asked()).toBe(200);
  ahead_ms = 2 * 24 * 3_600_000;
  expect(await asked()).toBe(401);
  ahead_ms = 0;
  expect(await asked()).toBe(200);
  agent.destroy();
});

it("a certificate of another authority is refused, unless there is a token too", async () => {
  const now_ms = Date.now();
  const foreign = await createCa({ commonName: "others", days: 1, now_ms });
  const request = { commonName: "admin", organizations: ["system:masters"], days: 1 };
  const { cert, key } = await issueCertificate(foreign, { ...request, usages: ["client"] }, now_ms);
  const asked = async (headers: Record<string, string>) => {
    const answer = await server.ask("/apis/authentication.k8s.io/v1/selfsubjectreviews", {
      method: "POST",
      body: {},
      headers,
      cert,
      key,
    });
    return [answer.status, /"username":"([^"]*)"/.exec(answer.body)?.[1]];
  };
  expect(await asked({})).toEqual([401, undefined]);
  expect(await asked({ authorization: "Bearer nonsense" })).toEqual([401, undefined]);
  const token = await tokenFor(OURS);
  expect(await asked({ authorization: `Bearer ${token}` })).toEqual([
    201,
    "system:serviceaccount:default:bot",
  ]);
});
