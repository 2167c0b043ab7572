// A tenant's text never becomes a directive of haproxy, and never stops it for others.
import { execFileSync } from "node:child_process";
import { createPrivateKey, generatePrimeSync, type JsonWebKey, X509Certificate } from "node:crypto";
import { connect } from "node:tls";
import { ingress as ingressKind } from "@raft2kube/api/networking/v1/ingress.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { planGateways } from "./gateway/plan.ts";
import type { Gateway, Route, RouteRule } from "./gateway/types.ts";
import { CONFIG, render } from "./haproxy/render.ts";
import { readPair } from "./plan/certificates.ts";
import { planIngresses } from "./plan/ingress.ts";
import type { Condition, Filter, Pair, Site } from "./plan/model.ts";
import {
  fallbackPair,
  ingressOf,
  inputOf,
  type Objects,
  pairFor,
  ruleOf,
  tlsSecret,
} from "./testing/objects.ts";
import {
  backendOf,
  type Echoed,
  type EchoServer,
  echoServer,
  OwnDataPlane,
} from "./testing/own-data-plane.ts";

let plane: OwnDataPlane;
let server: EchoServer;
let fallback: Pair;

beforeAll(async () => {
  fallback = await fallbackPair();
  plane = await OwnDataPlane.start();
  server = await echoServer("web");
});

afterAll(async () => {
  await plane.close();
  server.server.close();
});

/** Applies the plan of Ingresses; the Service `web` of each namespace is the echo server. */
async function apply(objects: Objects) {
  const plan = planIngresses(inputOf(objects, fallback));
  const { sites, certificates } = plan;
  const { targets } = backendOf("web", [server.endpoint]);
  const backends = [...plan.backends.values()].map((each) => ({ ...each, targets }));
  const whole = plane.planOf(sites, backends);
  const tls = { name: "tls", binds: [{ port: plane.tlsPort, certificates }], sites };
  await plane.dataPlane.apply({ ...whole, frontends: [...whole.frontends, tls] });
  return plan;
}

const services = { "default/web": [], "evil/web": [] };
const good = ingressOf({ age: 1 }, [ruleOf("good.test")]);

async function goodIsServed(): Promise<void> {
  const { status } = await plane.get("good.test", "/");
  expect(status).toBe(200);
}

const HOSTILE = [
  "a\n  http-request deny",
  "a\r\nbackend x",
  "%[src]",
  "%{+Q}o",
  "%%",
  "a b",
  "'",
  '"',
  "\\",
  "\\x0a",
  "$HOME",
  "${HOME}",
  "#",
  "}",
  "{ always_true }",
  "|| TRUE",
  "-f /etc/passwd",
  "--",
  "!",
  "if",
  "unless",
  "",
  "\u0000",
  "é",
  "str(x)",
  "],lua.x",
  "a,b",
  "a)b",
  "a(b",
  "`id`",
];

describe("texts of an Ingress", () => {
  test("a path is refused or stays a path", async () => {
    const evil = HOSTILE.map((text, i) =>
      ingressOf({ age: 2, name: `evil${i}`, namespace: "evil" }, [
        ruleOf(`evil${i}.test`, `/${text}`),
      ]),
    );
    await apply({ ingresses: [good, ...evil], services });
    for (const text of HOSTILE) {
      expect((await plane.get("good.test", `/${encodeURIComponent(text)}`)).status).toBe(200);
    }
  });

  test("an annotation is refused or stays a value", async () => {
    const evil = HOSTILE.map((text, i) => {
      const annotations = Object.fromEntries(
        ["rewrite-prefix", "timeout", "body-size-max"].map((name) => [
          `ingress.r2k.io/${name}`,
          `/${text}`,
        ]),
      );
      const words = { age: 2, name: `evil${i}`, namespace: "evil", annotations };
      return ingressOf(words, [ruleOf(`evil${i}.test`)]);
    });
    await apply({ ingresses: [good, ...evil], services });
    await goodIsServed();
    for (const i of HOSTILE.keys()) {
      expect((await plane.get(`evil${i}.test`, "/x")).status, HOSTILE[i]).toBe(200);
    }
  });
});

describe("texts of a route", () => {
  const ascii = HOSTILE.filter((text) => /^[\x20-\x7e]+$/.test(text));

  test("a header's value arrives as it was written", async () => {
    const backends = ascii.map((value, i) =>
      backendOf(`b${i}`, [server.endpoint], {
        filters: [
          { kind: "set", of: "request", name: "x-set", value },
          { kind: "set", of: "response", name: "x-back", value },
        ],
      }),
    );
    const sites = ascii.map((value, i): Site => {
      const conditions: Condition[] = [{ on: "header", name: "x-if", value }];
      return {
        host: `h${i}.test`,
        paths: [{ kind: "prefix", path: "", conditions, backend: `b${i}` }],
      };
    });
    await plane.apply(sites, backends);
    for (const [i, text] of ascii.entries()) {
      const ask = (value: string) => plane.get(`h${i}.test`, "/", { headers: { "x-if": value } });
      const { status, headers, body } = await ask(text);
      expect(status, text).toBe(200);
      expect(headers["x-back"]).toBe(text);
      expect((JSON.parse(body) as Echoed).headers["x-set"]).toBe(text);
      expect((await ask(`${text}x`)).status).toBe(404);
    }
  });

  test("control characters and names that could be arguments are refused", () => {
    const configure =
      (conditions: Condition[], filters: Filter[] = []) =>
      () => {
        const paths = [{ kind: "prefix", path: "", conditions, backend: "b" }] as const;
        const site: Site = { host: "", paths };
        return render(plane.planOf([site], [backendOf("b", [], { filters })]), "/socket");
      };
    const set = (value: string): Filter => ({ kind: "set", of: "request", name: "x", value });
    for (const text of ["a\nb", "a\rb", "\u0000", "\u007f"]) {
      expect(configure([], [set(text)]), JSON.stringify(text)).toThrow("control characters");
    }
    for (const name of ["a)", "a,b", "a b", "a(b", "a'b"]) {
      expect(configure([{ on: "header", name, value: "v" }]), name).toThrow("not a usable name");
    }
  });
});

/** The Gateway API's schema lets these through, and haproxy would refuse all for one of them. */
describe("routes that haproxy would refuse", () => {
  const infra = { namespace: "evil", creationTimestamp: "2026-01-01T00:00:00Z" };
  const gateway: Gateway = {
    metadata: { ...infra, name: "gate" },
    spec: { gatewayClassName: "r2k", listeners: [{ name: "a", port: 80, protocol: "HTTP" }] },
  };
  const planOf = (rule: RouteRule) => {
    const route: Route = {
      kind: "HTTPRoute",
      metadata: { ...infra, name: "evil" },
      spec: { parentRefs: [{ name: "gate" }], hostnames: ["evil.test"], rules: [rule] },
    };
    const { services: targets, secret } = inputOf({ ingresses: [], services }, fallback);
    return planGateways({
      gateways: [gateway],
      routes: [route],
      grants: [],
      services: targets,
      secret,
      namespace: () => undefined,
      portOf: () => plane.tlsPort,
    });
  };
  const backendRefs = [{ name: "web", port: 80 }];
  const value = "\\".repeat(4_096);
  const many = Array.from({ length: 16 }, (_, i) => ({ name: `x-${i}`, value }));

  test.each<[string, RouteRule]>([
    ...["", "a\nb", "a b", "é", "\u0000"].map((name): [string, RouteRule] => {
      const type = "RequestHeaderModifier";
      return [
        `remove ${JSON.stringify(name)}`,
        { backendRefs, filters: [{ type, requestHeaderModifier: { remove: [name] } }] },
      ];
    }),
    ["a long timeout", { backendRefs, timeouts: { request: "99999h99999h99999h99999h" } }],
    [
      "many large headers",
      {
        backendRefs,
        filters: [
          { type: "RequestHeaderModifier", requestHeaderModifier: { set: many, add: many } },
          { type: "ResponseHeaderModifier", responseHeaderModifier: { set: many, add: many } },
        ],
      },
    ],
    ["many large conditions", { backendRefs, matches: [{ headers: many, queryParams: many }] }],
  ])("%s", async (_what, rule) => {
    const { frontends, backends, parents } = planOf(rule);
    expect(parents).toHaveLength(1);
    const own = plane.planOf(
      [
        {
          host: "good.test",
          paths: [{ kind: "prefix", path: "", conditions: [], backend: "good" }],
        },
      ],
      [backendOf("good", [server.endpoint])],
    );
    await plane.dataPlane.apply({
      frontends: [...own.frontends, ...frontends],
      backends: new Map([...own.backends, ...backends]),
    });
    await goodIsServed();
  });
});

test("a certificate for thousands of host names is loaded", async () => {
  const hosts = Array.from({ length: 5_000 }, (_, i) => `h${i}.evil.test`);
  const tls = [{ hosts: [...hosts, `${"a.".repeat(100)}evil.test`], secretName: "tls" }];
  const evil = ingressOf({ age: 2, namespace: "evil", spec: { tls } }, [ruleOf("evil.test")]);
  const pair = await pairFor(["*.evil.test"]);
  await apply({ ingresses: [good, evil], services, secrets: { "evil/tls": tlsSecret(pair) } });
  await goodIsServed();
  expect(await presented("h4999.evil.test")).toBe(fingerprint(pair.cert));
});

test("a host or a Service's name is refused by the API, or stays one", async () => {
  const evil = HOSTILE.flatMap((text, i) => {
    const words = { age: 2, name: `evil${i}`, namespace: "evil" };
    const at = { service: { name: "web", port: { name: text } } };
    const path = { path: "/", pathType: "Prefix", backend: at };
    return [
      ingressOf(words, [ruleOf(text)]),
      ingressOf(words, [ruleOf("evil.test", "/", text)]),
      ingressOf(words, [{ host: "evil.test", http: { paths: [path] } }]),
      ingressOf({ ...words, spec: { tls: [{ hosts: [text], secretName: "tls" }] } }, [ruleOf("")]),
    ];
  });
  const admitted = evil.filter(
    (each) => ingressKind.strategy.validateCreate(each, { now_ms: Date.now() }).length === 0,
  );
  expect(admitted.length).toBeLessThan(evil.length / 4);
  const pair = tlsSecret(await pairFor(["evil.test"]));
  await apply({ ingresses: [good, ...admitted], services, secrets: { "evil/tls": pair } });
  await goodIsServed();
});

describe("Secrets", () => {
  test("what haproxy would refuse never reaches it", async () => {
    const [one, two] = await Promise.all([pairFor(["a.test"]), pairFor(["a.test"])]);
    const [weak, rsa] = [selfSigned(1_024), selfSigned(2_048)];
    const large = selfSigned(2_048, "-pkeyopt", "rsa_keygen_pubexp:4294967297");
    const pss = selfSigned(2_048, "-sigopt", "rsa_padding_mode:pss");
    const sha1 = selfSigned(2_048, "-sha1");
    const cases: Record<string, { cert: string; key: string }> = {
      "no certificate": { cert: "x", key: one.key },
      "another's key": { cert: one.cert, key: two.key },
      "no key": { cert: one.cert, key: block("PRIVATE KEY") },
      "a broken chain": { cert: `${one.cert}${block("CERTIFICATE")}`, key: one.key },
      "a weak key": { cert: weak, key: weak },
      "a slow key": { cert: rsa, key: withWrongPart(rsa) },
      "another exponent's key": { cert: rsa, key: withOtherExponent(rsa) },
      "a large public exponent": { cert: large, key: large },
      "a prime of most bits": unbalanced(),
      "a signature of a later OpenSSL": { cert: signedByMlDsa(rsa), key: rsa },
      "a signature with a wrong mask": { cert: withWrongMask(pss), key: pss },
      "a signature by SHA-1": { cert: changed(sha1, byAnother), key: sha1 },
    };
    for (const [name, pair] of Object.entries(cases)) {
      expect(readPair(tlsSecret(pair)), name).toHaveProperty("problem");
      const evil = ingressOf(
        { age: 2, namespace: "evil", spec: { tls: [{ hosts: ["evil.test"], secretName: "tls" }] } },
        [ruleOf("evil.test")],
      );
      const { refusals } = await apply({
        ingresses: [good, evil],
        services,
        secrets: { "evil/tls": tlsSecret(pair) },
      });
      expect(
        refusals.map(({ reason }) => reason),
        name,
      ).toContain("BadCertificate");
      await goodIsServed();
    }
  });

  test("a key by which every other handshake is slow is refused each time", () => {
    const cert = selfSigned(2_048);
    const key = createPrivateKey(cert).export({ format: "jwk" });
    const order = number(key.p) - 1n;
    const dp = part((number(key.dp) + order / 2n) % order);
    const secret = () => readPair(tlsSecret({ cert, key: pkcs8({ ...key, dp }) }));
    for (let tried = 0; tried < 20; tried++) expect(secret()).toHaveProperty("problem");
  });

  test("directives around a certificate are not copied", async () => {
    const { cert, key } = await pairFor(["a.test"]);
    const pair = readPair(tlsSecret({ cert: `http-request deny\n${cert}\nbackend x`, key }));
    expect((pair as Pair).pem).not.toMatch(/deny|backend/);
  });

  test("another's host gets no certificate, an expired one is an event", async () => {
    const mine = await pairFor(["good.test"]);
    const theirs = await pairFor(["good.test"], 1, Date.now() - 10 * 86_400_000);
    const tls = [{ hosts: ["good.test"], secretName: "tls" }];
    const first = ingressOf({ age: 1, spec: { tls } }, [ruleOf("good.test")]);
    const evil = ingressOf({ age: 2, namespace: "evil", spec: { tls } }, [ruleOf("evil.test")]);
    const { refusals } = await apply({
      ingresses: [first, evil],
      services,
      secrets: { "default/tls": tlsSecret(mine), "evil/tls": tlsSecret(theirs) },
    });
    expect(refusals.map(({ reason }) => reason).sort()).toEqual([
      "CertificateOutOfTime",
      "HostTaken",
    ]);
    expect(await presented("good.test")).toBe(fingerprint(mine.cert));
    expect(await presented("unknown.test")).toBe(fingerprint(fallback.pem));
  });
});

test("10,000 rules of one tenant are planned, loaded and looked up in time", async () => {
  const rules = Array.from({ length: 10_000 }, (_, i) => ruleOf(`h${i % 100}.test`, `/p${i}`));
  const evil = ingressOf({ age: 2, namespace: "evil" }, rules);
  const from = process.cpuUsage();
  await apply({ ingresses: [good, evil], services });
  expect(process.cpuUsage(from).user).toBeLessThan(10_000_000);
  await goodIsServed();
  expect((await plane.get("h99.test", "/p9999/x")).status).toBe(200);
  expect((await plane.get("h99.test", "/p9998")).status).toBe(404);
}, 30_000);

test("a namespace's paths have a bound; another's are served", async () => {
  const rules = Array.from({ length: 12_001 }, (_, i) => ruleOf("evil.test", `/p${i}`));
  const evil = ingressOf({ namespace: "evil" }, rules);
  const { refusals } = planIngresses(inputOf({ ingresses: [good, evil], services }, fallback));
  expect(refusals.map(({ reason }) => reason)).toEqual(["TooMany"]);
});

test("a body above the annotation's bound, or of unknown length, is refused", async () => {
  const annotations = { "ingress.r2k.io/body-size-max": "10" };
  const ingress = ingressOf({ annotations }, [ruleOf("small.test")]);
  await apply({ ingresses: [ingress], services });
  const post = (body: string, headers: Record<string, string> = {}) =>
    plane.get("small.test", "/", { method: "POST", body, headers });
  expect((await post("0123456789", { "content-length": "10" })).status).toBe(200);
  expect((await post("0123456789a", { "content-length": "11" })).status).toBe(413);
  expect((await post("01234", { "transfer-encoding": "chunked" })).status).toBe(411);
});

test("no line of the configuration holds a tenant's text unescaped", () => {
  const ingress = ingressOf({ annotations: { "ingress.r2k.io/rewrite-prefix": "/a%5Bb$c'd(e)" } }, [
    ruleOf("a.test", "/x$y'z(%20)"),
  ]);
  const { sites, backends } = planIngresses(inputOf({ ingresses: [ingress], services }, fallback));
  const { files } = render(plane.planOf(sites, [...backends.values()]), "/socket");
  const line = files
    .get(CONFIG)!
    .split("\n")
    .find((each) => each.includes("set-path /a"));
  expect(line).toBe(
    "  http-request set-path /a\\x25\\x255Bb\\x24c\\x27d\\x28e\\x29%[path,bytes(11)]",
  );
});

/** A certificate and its key. */
const selfSigned = (bits: number, ...options: readonly string[]) =>
  execFileSync(
    "openssl",
    [
      "req",
      "-x509",
      "-newkey",
      `rsa:${bits}`,
      ...options,
      ..."-nodes -keyout - -subj /CN=a.test -days 3".split(" "),
    ],
    { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
  );

/** The key with a part by which no signature comes out right. */
function withWrongPart(pem: string): string {
  const key = createPrivateKey(pem).export({ format: "jwk" });
  return pkcs8({ ...key, dp: key.dq! });
}

const number = (part: unknown) =>
  BigInt(`0x${Buffer.from(String(part), "base64url").toString("hex")}`);

/** Writes a number in an even count of digits, of which a JWK's part has half as many bytes. */
function part(value: bigint): string {
  const digits = value.toString(16);
  return Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, "hex").toString("base64url");
}

const pkcs8 = (key: JsonWebKey) =>
  createPrivateKey({ key, format: "jwk" }).export({ type: "pkcs8", format: "pem" }).toString();

/** The key with the parts of another private exponent, which fit together. */
function withOtherExponent(pem: string): string {
  const key = createPrivateKey(pem).export({ format: "jwk" });
  const [d, dp, dq] = [key.d, key.dp, key.dq].map((each) => part(number(each) + 2n));
  return pkcs8({ ...key, d: d!, dp: dp!, dq: dq! });
}

/** A key that fits together, of a prime of eight bits and one of 2,048, and its certificate. */
function unbalanced(): { cert: string; key: string } {
  const [p, e] = [251n, 257n];
  let q = 1n;
  while (q % p === 1n || (q - 1n) % e === 0n) q = generatePrimeSync(2_048, { bigint: true });
  const phi = (p - 1n) * (q - 1n);
  let [d, qi] = [1n, 1n];
  while ((1n + phi * d) % e !== 0n) d++;
  while ((q * qi) % p !== 1n) qi++;
  d = (1n + phi * d) / e;
  const parts = { n: p * q, e, d, p, q, dp: d % (p - 1n), dq: d % (q - 1n), qi };
  const texts = Object.entries(parts).map(([name, value]) => [name, part(value)]);
  const key = pkcs8({ kty: "RSA", ...Object.fromEntries(texts) });
  // A pipe: openssl opens no socket, which Node's is.
  const command = "cat | openssl req -x509 -key /dev/stdin -subj /CN=a.test -days 3";
  return { cert: execFileSync("sh", ["-c", command], { input: key, encoding: "utf8" }), key };
}

/** The certificate with other bytes, in hexadecimal. */
function changed(pem: string, change: (certificate: string) => string): string {
  const hex = change(new X509Certificate(pem).raw.toString("hex"));
  const body = Buffer.from(hex, "hex").toString("base64");
  return `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----`;
}

/** The certificate with the identifier of ML-DSA-44 for that of sha256WithRSAEncryption. */
const signedByMlDsa = (pem: string) =>
  changed(pem, (hex) => hex.replaceAll("2a864886f70d01010b", "608648016503040311"));

/** A certificate, in hexadecimal, of another issuer: OpenSSL looks at the signature then. */
const byAnother = (hex: string) => hex.replace(hexOf("a.test"), hexOf("b.test"));
const hexOf = (text: string) => Buffer.from(text).toString("hex");

/** The certificate, of another issuer, with an unknown identifier for that of MGF1. */
const withWrongMask = (pem: string) =>
  changed(pem, (hex) => byAnother(hex).replaceAll("2a864886f70d010108", "2a864886f70d010109"));

const block = (of: string) => `-----BEGIN ${of}-----\nAAAA\n-----END ${of}-----`;

const fingerprint = (pem: string) =>
  execFileSync("openssl", ["x509", "-noout", "-fingerprint", "-sha256"], {
    input: pem,
    encoding: "utf8",
  })
    .split("=")[1]!
    .trim();

function presented(servername: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port: plane.tlsPort, servername };
    const socket = connect({ ...options, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    });
    socket.on("error", reject);
  });
}
