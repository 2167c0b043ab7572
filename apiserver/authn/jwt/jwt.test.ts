import { createHmac, sign } from "node:crypto";
import { metricsRegistry } from "@raft2kube/observe/metrics.ts";
import { FollowedFile, fixed } from "@raft2kube/reconcile/followed-file.ts";
import { FILE_RELOAD_MS } from "@raft2kube/reconcile/limits.ts";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { afterEach, beforeEach, expect, it } from "vitest";
import { FakeIssuer, newKey } from "../../../testing/apiserver/fake-issuer.ts";
import { waitFor } from "../../../testing/wait.ts";
import { ISSUER_KEYS_AGAIN_MS, TOKEN_BYTES_MAX } from "../../limits.ts";
import { JwtMetrics } from "../../metrics/jwt.ts";
import { type AuthenticationConfig, readAuthenticationConfig } from "./config.ts";
import { type JwtAuthority, jwtAuthority } from "./jwt-authority.ts";

const clock = systemClock();
let issuer: FakeIssuer;
const closing: (() => Promise<void>)[] = [];

beforeEach(async () => {
  issuer = await FakeIssuer.start();
  closing.push(() => issuer.close());
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const textOf = (more: object = {}, of: FakeIssuer = issuer): string => of.configuration(more);

const read = (more: object): Promise<AuthenticationConfig> =>
  readAuthenticationConfig(textOf(more));

/** An authority that knows the issuer's keys, unless it never answers. */
async function authorityOf(more: object = {}, waits = true): Promise<JwtAuthority> {
  const metrics = new JwtMetrics(metricsRegistry());
  const authority = jwtAuthority(fixed(await read(more)), { clock, metrics });
  closing.push(() => authority.close());
  if (waits)
    await waitFor("keys", async () => {
      const verdict = await authority.verify(await issuer.token());
      return !(verdict && "refused" in verdict && verdict.refused.includes("not initialized"));
    });
  return authority;
}

const refusalOf = async (authority: JwtAuthority, token: string): Promise<string> => {
  const verdict = await authority.verify(token);
  return verdict === undefined ? "of no issuer" : "refused" in verdict ? verdict.refused : "none";
};

it("a token names its user by claims and their prefixes", async () => {
  const authority = await authorityOf({
    claimMappings: {
      username: { claim: "sub", prefix: "oidc:" },
      groups: { claim: "roles", prefix: "g:" },
      uid: { claim: "id" },
    },
  });
  const token = await issuer.token({ roles: ["dev", "ops"], id: "u-1", jti: "t-1" });
  expect(await authority.verify(token)).toEqual({
    user: {
      name: "oidc:jane",
      groups: ["g:dev", "g:ops"],
      uid: "u-1",
      extra: { "authentication.kubernetes.io/credential-id": ["JTI=t-1"] },
    },
  });
});

it("several issuers each name their users, and none signs for another", async () => {
  const other = await FakeIssuer.start();
  closing.push(() => other.close());
  const withPrefix = (of: FakeIssuer, prefix: string) =>
    JSON.parse(of.configuration({ claimMappings: { username: { claim: "sub", prefix } } })) as {
      jwt: object[];
    };
  const [first, second] = [withPrefix(issuer, "a:"), withPrefix(other, "b:")];
  const both = { ...first, jwt: [...first.jwt, ...second.jwt] };
  const config = await readAuthenticationConfig(JSON.stringify(both));
  const metrics = new JwtMetrics(metricsRegistry());
  const authority = jwtAuthority(fixed(config), { clock, metrics });
  closing.push(() => authority.close());
  for (const [of, name] of [
    [issuer, "a:jane"],
    [other, "b:jane"],
  ] as const) {
    const token = await of.token();
    await waitFor("keys", async () => (await refusalOf(authority, token)) === "none");
    expect(await authority.verify(token)).toMatchObject({ user: { name } });
  }
  for (const forged of [
    await issuer.token({ iss: other.url }),
    await other.token({ iss: issuer.url }),
  ]) {
    expect(await refusalOf(authority, forged)).toContain("failed to verify signature");
  }
  const twice = { ...first, jwt: [...first.jwt, ...first.jwt] };
  await expect(readAuthenticationConfig(JSON.stringify(twice))).rejects.toThrow(
    "two items have the issuer.url",
  );
});

it("expressions map claims, and rules about claims and users must hold", async () => {
  const authority = await authorityOf({
    claimMappings: {
      username: { expression: "claims.sub + '@' + claims.org.na__dot__me" },
      groups: { expression: "claims.roles.filter(r, r.startsWith('k8s-'))" },
      extra: [{ key: "example.org/level", valueExpression: "string(int(claims.level))" }],
    },
    claimValidationRules: [
      { expression: "claims.exp - claims.iat <= 86400.0", message: "too long" },
      { claim: "hd", requiredValue: "example.org" },
    ],
    userValidationRules: [
      { expression: "!user.username.startsWith('system:')", message: "reserved" },
    ],
  });
  const claims = {
    org: { "na.me": "acme" },
    roles: ["k8s-dev", "mail"],
    level: 3,
    hd: "example.org",
  };
  expect(await authority.verify(await issuer.token(claims))).toMatchObject({
    user: { name: "jane@acme", groups: ["k8s-dev"], extra: { "example.org/level": ["3"] } },
  });
  const refusal = async (more: object) =>
    refusalOf(authority, await issuer.token({ ...claims, ...more }));
  expect(await refusal({ exp: 9_999_999_999 })).toContain("failed: too long");
  expect(await refusal({ hd: "evil.org" })).toContain("required claim hd value does not match");
  expect(await refusal({ hd: undefined })).toContain("required claim hd not present");
  expect(await refusal({ sub: "system:admin" })).toContain("failed: reserved");
  expect(await refusal({ roles: 7 })).toContain("error evaluating group claim expression");
  expect(await refusal({ sub: 7 })).toContain("error evaluating username claim expression");
});

it("an email counts only if it is verified", async () => {
  const authority = await authorityOf({
    claimMappings: { username: { claim: "email", prefix: "" } },
  });
  const email = "jane@example.org";
  expect(await authority.verify(await issuer.token({ email, email_verified: true }))).toMatchObject(
    { user: { name: email } },
  );
  for (const email_verified of [false, "true", 1]) {
    expect(await refusalOf(authority, await issuer.token({ email, email_verified }))).toBe(
      "oidc: email not verified",
    );
  }
  const unsafe = { claimMappings: { username: { expression: "claims.email" } } };
  await expect(read(unsafe)).rejects.toThrow("claims.email_verified must be used");
});

const unsigned = (parts: object[], signature = ""): string =>
  [...parts.map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")), signature].join(
    ".",
  );

it("forged tokens are refused", async () => {
  const authority = await authorityOf();
  const now_s = Math.floor(Date.now() / 1_000);
  const claims = { iss: issuer.url, aud: "cluster", sub: "jane", exp: now_s + 60 };
  const { publicKey } = issuer.keys[0]!;
  const pem = publicKey.export({ type: "spki", format: "pem" }) as string;
  const own = newKey("own");
  const attack = async (token: string) => await refusalOf(authority, token);
  for (const alg of ["none", "None", "NONE", ""]) {
    expect(await attack(unsigned([{ alg }, claims]))).toMatch(/unsupported algorithm|malformed/);
  }
  // The public key as the secret of an HMAC.
  const head = unsigned([{ alg: "HS256", kid: "first" }, claims]).slice(0, -1);
  for (const secret of [pem, pem.trim(), JSON.stringify(publicKey.export({ format: "jwk" }))]) {
    const mac = createHmac("sha256", secret).update(head).digest("base64url");
    expect(await attack(`${head}.${mac}`)).toContain("unsupported algorithm");
  }
  // The attacker's own key, named, in the header or by an address.
  const jwk = own.publicKey.export({ format: "jwk" });
  const headers = [
    { jwk },
    { kid: "own" },
    { jku: "https://evil.example/keys" },
    { x5u: "https://evil.example" },
    { kid: "../../../../dev/null" },
    { kid: "first' OR '1'='1" },
    { kid: "constructor" },
    { kid: undefined, jwk },
    { kid: { toString: "x" } },
    { crit: ["b64"], b64: false },
  ];
  for (const header of headers) {
    const signed = unsigned([{ alg: "RS256", kid: "first", ...header }, claims]).slice(0, -1);
    const signature = sign("RSA-SHA256", Buffer.from(signed), own.privateKey);
    const token = `${signed}.${signature.toString("base64url")}`;
    expect(await attack(token), JSON.stringify(header)).toMatch(/^oidc: verify token: /);
  }
  expect(issuer.server.asked.get("/evil")).toBeUndefined();
  // Signed rightly, of a payload that is not encoded.
  const raw = { alg: "RS256", kid: "first", crit: ["b64"], b64: false };
  const bare = unsigned([raw, claims]).slice(0, -1);
  const mac = sign("RSA-SHA256", Buffer.from(bare), issuer.keys[0]!.privateKey);
  expect(await attack(`${bare}.${mac.toString("base64url")}`)).toContain("failed to verify");
  // Signed rightly, by an algorithm that is not the key's.
  expect(await attack(await issuer.token({}, { alg: "RS512" }))).toContain("failed to verify");
  // Signed rightly, and changed.
  const [first, , last] = (await issuer.token()).split(".");
  const admin = Buffer.from(JSON.stringify({ ...claims, sub: "admin" })).toString("base64url");
  expect(await attack(`${first}.${admin}.${last}`)).toContain("failed to verify signature");
});

it("tokens of another time, audience or issuer are refused", async () => {
  const authority = await authorityOf();
  const now_s = Math.floor(Date.now() / 1_000);
  const refusal = async (claims: object) =>
    refusalOf(authority, await issuer.token(claims as Record<string, unknown>));
  expect(await refusal({ exp: now_s - 1 })).toContain("token is expired");
  expect(await refusal({ exp: undefined })).toContain("token is expired");
  expect(await refusal({ nbf: now_s + 3_600 })).toContain("before the nbf");
  expect(await refusal({ nbf: 1e300 })).toContain("before the nbf");
  expect(await refusal({ aud: "elsewhere" })).toContain("expected audience");
  expect(await refusal({ aud: [] })).toContain("expected audience");
  expect(await refusal({ aud: { cluster: true } })).toContain("expected audience");
  expect(await refusal({ iss: "https://evil.example" })).toBe("of no issuer");
  expect(await refusal({ iss: `${issuer.url}/` })).toBe("of no issuer");
  expect(await refusal({ iss: 5 })).toBe("of no issuer");
});

it("a token with a claim twice, of great size or depth, or of garbage is refused", async () => {
  const authority = await authorityOf();
  const { privateKey } = issuer.keys[0]!;
  const sign = async (payload: string): Promise<string> => {
    const { CompactSign } = await import("jose");
    const jws = new CompactSign(Buffer.from(payload));
    return await jws.setProtectedHeader({ alg: "RS256", kid: "first" }).sign(privateKey);
  };
  const exp = Math.floor(Date.now() / 1_000) + 60;
  const twice = `{"iss":"${issuer.url}","aud":"cluster","exp":${exp},"sub":"jane","sub":"admin"}`;
  expect(await refusalOf(authority, await sign(twice))).not.toBe("none");
  const deep = `{"iss":"${issuer.url}","x":${"[".repeat(60_000)}${"]".repeat(60_000)}}`;
  expect(await refusalOf(authority, await sign(deep))).not.toBe("none");
  const huge = await issuer.token({ pad: "x".repeat(TOKEN_BYTES_MAX) });
  expect(await refusalOf(authority, huge)).toBe("of no issuer");
  for (const token of ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", `${"%".repeat(9)}.x.y`]) {
    expect(await refusalOf(authority, token)).toBe("of no issuer");
  }
});

it.each([
  ["another name", "second"],
  ["the name of the last one", "first"],
])("a new key of %s is fetched once for all tokens, unknown ones no more", async (_, name) => {
  const authority = await authorityOf();
  const before = issuer.server.asked.get("/keys")!;
  await new Promise((resolve) => clock.after(ISSUER_KEYS_AGAIN_MS, () => resolve(undefined)));
  issuer.keys = [newKey(name)];
  const tokens = await Promise.all(
    Array.from({ length: 20 }, (_, i) => issuer.token({ jti: `${i}` })),
  );
  const verdicts = await Promise.all(tokens.map((token) => authority.verify(token)));
  for (const verdict of verdicts) expect(verdict).toMatchObject({ user: { name: "jane" } });
  expect(issuer.server.asked.get("/keys")).toBe(before + 1);
  for (let i = 0; i < 50; i++) {
    const kid = `unknown-${i}`;
    expect(await refusalOf(authority, await issuer.token({}, { kid }))).not.toBe("none");
  }
  expect(issuer.server.asked.get("/keys")).toBeLessThan(before + 5);
});

it("an issuer that vanishes: its keys stay, and a new one costs one refused look", async () => {
  const authority = await authorityOf();
  const known = await issuer.token({ jti: "new" });
  await new Promise((resolve) => clock.after(ISSUER_KEYS_AGAIN_MS, () => resolve(undefined)));
  await issuer.close();
  expect(await refusalOf(authority, known)).toBe("none");
  const unknown = Array.from({ length: 50 }, (_, i) => issuer.token({ jti: `${i}` }, { kid: "b" }));
  for (const token of await Promise.all(unknown)) {
    expect(await refusalOf(authority, token)).toContain("failed to verify signature");
  }
  expect(await refusalOf(authority, await issuer.token({ jti: "last" }))).toBe("none");
  await issuer.server.close().catch(() => undefined);
});

it("claims that make an expression of the configuration expensive refuse the token", async () => {
  const authority = await authorityOf({
    claimMappings: {
      username: { claim: "sub", prefix: "" },
      groups: {
        expression: "claims.a.filter(x, claims.a.all(y, claims.a.all(z, x + y + z != 'q')))",
      },
    },
    claimValidationRules: [
      { expression: "!claims.text.matches('(a+)+b$') && claims.text.size() < 200000" },
    ],
  });
  const few = { a: ["x", "y"], text: "aaaa" };
  expect(await refusalOf(authority, await issuer.token(few))).toBe("none");
  const from = process.cpuUsage();
  const many = { ...few, a: Array.from({ length: 20_000 }, (_, i) => `${i}`) };
  expect(await refusalOf(authority, await issuer.token(many))).toMatch(/steps|cost limit/);
  const long = { ...few, text: "a".repeat(150_000) };
  expect(await refusalOf(authority, await issuer.token(long))).toMatch(/steps|cost limit/);
  expect(process.cpuUsage(from).user).toBeLessThan(5_000_000);
});

it("an issuer's documents may be at another place, and are of its own name", async () => {
  const { server, url: place } = issuer;
  const url = "https://issuer.example";
  issuer.documents = { issuer: url };
  const at = { url, discoveryURL: `${place}/documents`, certificateAuthority: server.ca };
  const authority = await authorityOf({ issuer: { ...at, audiences: ["cluster"] } }, false);
  const token = await issuer.token({ iss: url });
  await waitFor("keys", async () => (await refusalOf(authority, token)) === "none");
  expect(server.asked.has("/documents")).toBe(true);
  expect(await refusalOf(authority, await issuer.token())).toBe("of no issuer");
});

it("an issuer whose documents are another's is not believed", async () => {
  const { server } = issuer;
  issuer.documents = { issuer: "https://other.example" };
  const authority = await authorityOf({}, false);
  const wellKnown = "/.well-known/openid-configuration";
  await waitFor("its documents", () => server.asked.has(wellKnown));
  const token = await issuer.token();
  for (let i = 0; i < 20; i++) {
    expect(await refusalOf(authority, token)).toContain("not initialized");
    await delay(clock, 10);
  }
  expect(server.asked.get("/keys")).toBeUndefined();
});

it("a changed file takes effect when its issuers answer; else the last one stays", async () => {
  const other = await FakeIssuer.start();
  closing.push(() => other.close());
  let text = textOf();
  const time = new ManualClock(Date.now());
  let reads = 0;
  const file = await FollowedFile.follow({
    clock: time,
    log: { info: () => undefined, error: () => undefined },
    what: "it",
    read: () => {
      reads++;
      return Promise.resolve(text);
    },
    parse: (each) => readAuthenticationConfig(each),
  });
  const metrics = new JwtMetrics(metricsRegistry());
  const authority = jwtAuthority(file, { clock, metrics });
  closing.push(async () => {
    await file.close();
    await authority.close();
  });
  const accepts = async (of: FakeIssuer) =>
    (await refusalOf(authority, await of.token())) === "none";
  await waitFor("keys", () => accepts(issuer));
  const look = async () => {
    const before = reads;
    time.advance(FILE_RELOAD_MS);
    await waitFor("a look", () => reads > before);
  };
  text = text.replace("jwt", "jwts");
  await look();
  await waitFor("the failure", () => file.reloads.failure.count === 1);
  expect(await accepts(issuer)).toBe(true);
  text = textOf({}, other);
  await look();
  await waitFor("the other issuer", () => accepts(other));
  expect(await refusalOf(authority, await issuer.token())).toBe("of no issuer");
});

it("refuses files that make no sense, and names the field", async () => {
  const claimMappings = { username: { claim: "sub", prefix: "" } };
  const issuerOf = (more: object) => ({ url: issuer.url, audiences: ["a"], ...more });
  for (const [more, why] of [
    [{ issuer: issuerOf({ url: "http://x" }) }, "jwt[0].issuer.url: must be an https URL"],
    [{ issuer: issuerOf({ audiences: [] }) }, "audiences: must be a list that is not empty"],
    [{ issuer: issuerOf({ audiences: ["a", "b"] }) }, "audienceMatchPolicy: must be MatchAny"],
    [{ issuer: issuerOf({ certificateAuthority: "x" }) }, "certificateAuthority: has no cert"],
    [{ issuer: issuerOf({ egressSelectorType: "cluster" }) }, "no egress selector"],
    [{ claimMappings: { username: { claim: "sub" } } }, "prefix: is required"],
    [{ claimMappings: { username: { expression: "claims." } } }, "compilation failed"],
    [
      { claimMappings: { ...claimMappings, extra: [{ key: "k8s.io/x", valueExpression: "''" }] } },
      "reserved",
    ],
    [{ claimValidationRules: [{ expression: "1" }] }, "must evaluate to bool"],
    [{ claimValidationRules: [{ claim: "a" }, { claim: "a" }] }, "two items have the claim"],
    [{ userValidationRules: [{ expression: "user.nothing == ''" }] }, "compilation failed"],
    [{ issuers: {} }, "jwt[0].issuers: is not a field of it"],
  ] as [object, string][]) {
    await expect(read(more)).rejects.toThrow(why);
  }
  await expect(readAuthenticationConfig(textOf(), [issuer.url])).rejects.toThrow("own issuer");
  // Templates leave empty what they do not set.
  const claimValidationRules = [{ claim: "hd", requiredValue: "x", message: "", expression: null }];
  const uid = { claim: "", expression: "claims.sub" };
  const templated = { claimMappings: { ...claimMappings, uid }, claimValidationRules };
  await expect(read(templated)).resolves.toBeDefined();
});
