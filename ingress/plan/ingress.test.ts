import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import {
  BACKENDS_OF_NAMESPACE_MAX,
  CERTIFICATE_BYTES_OF_NAMESPACE_MAX,
  HOSTS_OF_NAMESPACE_MAX,
  PATH_CHARS_OF_NAMESPACE_MAX,
  PATHS_OF_NAMESPACE_MAX,
  REFUSALS_OF_NAMESPACE_MAX,
  RSA_BITS_MAX,
  SERVERS_OF_NAMESPACE_MAX,
} from "../limits.ts";
import {
  CLASS,
  fallbackPair,
  ingressOf,
  inputOf,
  type Objects,
  pairFor,
  ruleOf,
  tlsSecret,
} from "../testing/objects.ts";
import { keptOf, readPair, refusePairs } from "./certificates.ts";
import { planIngresses } from "./ingress.ts";
import type { Pair } from "./model.ts";
import { claim, recordedOwners, recordOf } from "./owners.ts";

let fallback: Pair;

beforeAll(async () => {
  fallback = await fallbackPair();
});

const services = { "default/web": [{ address: "10.0.0.1", port: 8080 }], "other/web": [] };
const plan = (objects: Objects) => planIngresses(inputOf({ services, ...objects }, fallback));
const reasons = (objects: Objects) =>
  plan(objects).refusals.map(
    ({ reason, about }) => `${reason} ${(about.metadata as { namespace: string }).namespace}`,
  );

describe("classes", () => {
  const others = { metadata: { name: "others" }, spec: { controller: "example.com/x" } };
  const isDefault = (of: typeof CLASS, at: number) => ({
    ...of,
    metadata: {
      ...of.metadata,
      creationTimestamp: new Date(at).toISOString(),
      annotations: { "ingressclass.kubernetes.io/is-default-class": "true" },
    },
  });
  const served = (ingressClassName: string | undefined, classes: (typeof CLASS)[]) => {
    const ingress = ingressOf({}, [ruleOf("a.test")]);
    delete ingress.spec.ingressClassName;
    if (ingressClassName !== undefined) ingress.spec.ingressClassName = ingressClassName;
    return plan({ ingresses: [ingress], classes }).served.length;
  };

  test("an Ingress of another controller's class, or of none, is not served", () => {
    expect(served("r2k", [CLASS, others])).toBe(1);
    expect(served("others", [CLASS, others])).toBe(0);
    expect(served("nowhere", [CLASS, others])).toBe(0);
    expect(served(undefined, [CLASS, others])).toBe(0);
  });

  test("of several controllers each serves the Ingresses of its own classes", () => {
    const ingresses = [
      ingressOf({ age: 1 }, [ruleOf("a.test")]),
      ingressOf(
        { age: 2, name: "second", namespace: "other", spec: { ingressClassName: "others" } },
        [ruleOf("b.test")],
      ),
    ];
    const servedBy = (controller: string) => {
      const input = inputOf({ ingresses, services, classes: [CLASS, others] }, fallback);
      const { sites, refusals } = planIngresses({ ...input, controller });
      return [sites.map(({ host }) => host), refusals];
    };
    expect(servedBy("r2k.io/ingress")).toEqual([["a.test"], []]);
    expect(servedBy("example.com/x")).toEqual([["b.test"], []]);
    expect(servedBy("example.com/y")).toEqual([[], []]);
  });

  test("one without a class is served by the newest default class", () => {
    expect(served(undefined, [isDefault(CLASS, 1), others])).toBe(1);
    expect(served(undefined, [isDefault(CLASS, 1), isDefault(others, 2)])).toBe(0);
    expect(served(undefined, [isDefault(CLASS, 2), isDefault(others, 1)])).toBe(1);
  });
});

describe("a host belongs to the namespace that was first", () => {
  test("another's rules of it are refused, by an event of the later one", () => {
    const first = ingressOf({ age: 1 }, [ruleOf("a.test")]);
    const later = ingressOf({ age: 2, namespace: "other" }, [ruleOf("a.test", "/admin")]);
    const { sites, refusals } = plan({ ingresses: [later, first] });
    expect(sites).toHaveLength(1);
    expect(sites[0]!.paths.map(({ path, backend }) => [path, backend])).toEqual([
      ["", "default:web:80"],
    ]);
    expect(refusals).toHaveLength(1);
    expect(refusals[0]).toMatchObject({
      reason: "HostTaken",
      about: { metadata: { namespace: "other" } },
    });
  });

  test("its namespace may be called as a property that every object has", () => {
    const owners = new Map([
      ["a.test", "constructor"],
      ["", "constructor"],
    ]);
    expect([...recordedOwners(recordOf(owners))]).toEqual([...owners]);
  });

  test("an older Ingress that names it later does not take it, also after a restart", () => {
    const own = ingressOf({ age: 2 }, [ruleOf("a.test"), ruleOf("*.b.test"), ruleOf("")]);
    const thief = { age: 1, namespace: "other" };
    const { owners } = plan({ ingresses: [ingressOf(thief, [ruleOf("x.test")]), own] });
    const taken = ingressOf(
      thief,
      ["a.test", "c.b.test", ""].map((host) => ruleOf(host)),
    );
    const recorded = recordedOwners(recordOf(owners));
    expect(reasons({ ingresses: [taken, own], owners: recorded })).toEqual(
      Array(3).fill("HostTaken other"),
    );
    // It is free once its namespace names it no more.
    expect(reasons({ ingresses: [taken], owners: recorded })).toEqual([]);
  });

  test("a wildcard that an older Ingress is changed to name does not take recorded hosts", () => {
    const own = ingressOf({ age: 2 }, [ruleOf("x.a.test")]);
    const thief = { age: 1, namespace: "other" };
    let { owners } = plan({ ingresses: [ingressOf(thief, [ruleOf("y.test")]), own] });
    for (const pass of [1, 2, 3]) {
      const changed = ingressOf(thief, [ruleOf("*.a.test")]);
      const ingresses = [changed, own];
      const next = plan({ ingresses, owners: recordedOwners(recordOf(owners)) });
      expect(next.refusals, `pass ${pass}`).toEqual([]);
      expect(next.owners.get("x.a.test")).toBe("default");
      owners = next.owners;
    }
  });

  test("it stays so while its class is away, and while the class of its Ingress is another", () => {
    const own = ingressOf({ age: 2 }, [ruleOf("a.test")]);
    const parked = ingressOf({ age: 1, namespace: "other" }, [ruleOf("a.test")]);
    const { owners } = plan({ ingresses: [own] });
    const pause = plan({ ingresses: [parked, own], classes: [], owners });
    expect(pause.served).toEqual([]);
    expect(reasons({ ingresses: [parked, own], owners: pause.owners })).toEqual([
      "HostTaken other",
    ]);
    const moved = { ...own, spec: { ...own.spec, ingressClassName: "others" } };
    expect(reasons({ ingresses: [parked, moved], owners })).toEqual(["HostTaken other"]);
    const deleted = { ...own, metadata: { ...own.metadata, deletionTimestamp: "now" } };
    expect(reasons({ ingresses: [parked, deleted], owners })).toEqual([]);
  });

  test("the record counts for the first pass alone: later it may be old, or cut", () => {
    const own = ingressOf({ age: 2 }, [ruleOf("a.test")]);
    const changed = ingressOf({ age: 1, namespace: "other" }, [ruleOf("a.test")]);
    let owners: Objects["owners"];
    const pass = (ingresses: Objects["ingresses"], record?: Record<string, string>) => {
      ({ owners } = planIngresses({
        ...inputOf({ services, ingresses }, fallback),
        owners,
        record,
      }));
      return owners.get("a.test");
    };
    expect(pass([changed, own], { default: "a.test" })).toBe("default");
    expect(pass([changed, own])).toBe("default");
    expect(pass([changed, own], { other: "a.test" })).toBe("default");
    expect(pass([changed], { default: "a.test" })).toBe("other");
  });

  test("each host that exceeds the record's bounds is an event", () => {
    const label = "a".repeat(50);
    const hosts = Array.from({ length: 300 }, (_, i) =>
      [label, label, label, label, `${i}.test`].join("."),
    );
    const { owners, refusals } = plan({
      ingresses: [
        ingressOf(
          {},
          hosts.map((h) => ruleOf(h)),
        ),
      ],
    });
    const left = [...owners.keys()].filter((host) => !recordOf(owners)["default"]!.includes(host));
    expect(left.length).toBeGreaterThan(0);
    expect(refusals.map(({ reason }) => reason)).toEqual(left.map(() => "HostNotRecorded"));
  });

  test("a namespace's many hosts leave others' in the record", () => {
    const many = Array.from({ length: 12_000 }, (_, i) => [`${"a".repeat(150)}${i}.test`, "evil"]);
    const record = recordOf(new Map([...many, ["b.test", "default"]] as [string, string][]));
    expect(recordedOwners(record).get("b.test")).toBe("default");
    expect(JSON.stringify(record).length).toBeLessThan(1 << 20);
  });

  test("a wildcard covers the names below it, unless they were there before", () => {
    const owners = new Map<string, string>();
    expect(claim(owners, "old.a.test", "other")).toBeUndefined();
    expect(claim(owners, "*.a.test", "default")).toBeUndefined();
    expect(claim(owners, "new.a.test", "other")).toBe("default");
    expect(claim(owners, "new.a.test", "default")).toBeUndefined();
    expect(claim(owners, "old.a.test", "other")).toBeUndefined();
    expect(claim(owners, "deep.new.a.test", "other")).toBeUndefined();
  });

  test("rules and default backends without a host are the first namespace's", () => {
    const backend = { service: { name: "web", port: { number: 80 } } };
    const first = ingressOf({ age: 1, spec: { defaultBackend: backend } });
    const later = ingressOf({ age: 2, namespace: "other" }, [ruleOf("")]);
    expect(reasons({ ingresses: [first, later] })).toEqual(["HostTaken other"]);
  });
});

test("certificates for the hosts of all rules are compared with them once", async () => {
  const names = ["b.test", "c.test"];
  const own = ingressOf({ age: 1 }, [ruleOf("a.test")]);
  const tls = Array.from({ length: 3 }, () => ({ secretName: "tls" }));
  const evil = ingressOf(
    { age: 2, namespace: "evil", spec: { tls: [{ secretName: "none" }, ...tls] } },
    ["a.test", ...names].map((host) => ruleOf(host)),
  );
  const secrets = { "evil/tls": tlsSecret(await pairFor(names)) };
  const { certificates, refusals } = plan({ ingresses: [own, evil], secrets });
  expect(certificates.map(({ hosts }) => hosts)).toEqual([[], names]);
  expect(refusals.filter(({ reason }) => reason === "HostTaken")).toHaveLength(2);
});

test("a namespace has a bounded number of certificates' bytes, others' unaffected", async () => {
  const names = Array.from({ length: 200 }, (_, at) => `${"a".repeat(60)}.h${at}.test`);
  const { cert, key } = await pairFor(names);
  const der = new X509Certificate(cert).raw;
  const pairs = Array.from(
    { length: CERTIFICATE_BYTES_OF_NAMESPACE_MAX / cert.length },
    (_, at) => {
      der.writeUInt32BE(at, der.length - 4); // within the signature
      return tlsSecret({ cert: new X509Certificate(der).toString(), key });
    },
  );
  const ofName = pairs.map((pair, at) => [`default/s${at}`, pair] as const);
  const secrets = { ...Object.fromEntries(ofName), "other/tls": tlsSecret({ cert, key }) };
  const tls = pairs.map((_, at) => ({ hosts: [`h${at}.test`], secretName: `s${at}` }));
  const others = [{ hosts: ["b.test"], secretName: "tls" }];
  const { certificates, refusals } = plan({
    ingresses: [
      ingressOf({ age: 1, spec: { tls } }, [ruleOf("a.test")]),
      ingressOf({ age: 2, namespace: "other", spec: { tls: others } }, [ruleOf("b.test")]),
    ],
    secrets,
  });
  expect(certificates.at(-1)!.hosts).toEqual(["b.test"]);
  const own = certificates.slice(1, -1).reduce((sum, { pem }) => sum + pem.length, 0);
  expect(own).toBeLessThanOrEqual(CERTIFICATE_BYTES_OF_NAMESPACE_MAX);
  expect(new Set(refusals.map(({ reason }) => reason))).toEqual(new Set(["TooMany"]));
});

test("a namespace has a bounded number of hosts, with paths or without, over passes too", () => {
  const rules = Array.from({ length: HOSTS_OF_NAMESPACE_MAX + 2 }, (_, at) => ({
    host: `h${at}.test`,
  }));
  const other = ingressOf({ age: 2, namespace: "other" }, [ruleOf("b.test")]);
  const first = plan({ ingresses: [ingressOf({ age: 1 }, rules), other] });
  expect(first.sites).toHaveLength(HOSTS_OF_NAMESPACE_MAX + 1);
  expect(first.refusals.filter(({ reason }) => reason === "TooMany")).toHaveLength(2);
  const more = ingressOf({ name: "more" }, [ruleOf("more.test")]);
  const { owners } = first;
  const next = plan({ ingresses: [ingressOf({ age: 1 }, rules), more, other], owners });
  expect([...next.owners].filter(([, namespace]) => namespace === "default")).toHaveLength(
    HOSTS_OF_NAMESPACE_MAX,
  );
  expect(next.owners.get("b.test")).toBe("other");
});

test.each([
  ["number of paths", PATHS_OF_NAMESPACE_MAX, 4],
  ["size of paths", PATH_CHARS_OF_NAMESPACE_MAX >> 10, (1 << 10) - "a.test/".length],
])("a namespace has a bounded %s, others' unaffected", (_, most, chars) => {
  const { host, http } = ruleOf("a.test");
  const [first] = http!.paths;
  const paths = Array.from({ length: most + 1 }, (_, at) => ({
    ...first!,
    path: `/${String(at).padStart(chars, "0")}`,
  }));
  const other = ingressOf({ age: 2, namespace: "other" }, [ruleOf("b.test")]);
  const { sites, refusals } = plan({
    ingresses: [ingressOf({ age: 1 }, [{ host: host!, http: { paths } }]), other],
  });
  expect(sites.map((site) => site.paths.length)).toEqual([most, 1]);
  expect(refusals.map(({ reason }) => reason)).toEqual(["TooMany"]);
});

test("a namespace's rules that are refused are named up to a number", () => {
  const rules = Array.from({ length: REFUSALS_OF_NAMESPACE_MAX + 1 }, () => ruleOf("a.test"));
  const evil = ingressOf({ age: 2, namespace: "evil" }, rules);
  const third = ingressOf({ age: 3, namespace: "third" }, [ruleOf("a.test")]);
  const { refusals } = plan({
    ingresses: [ingressOf({ age: 1 }, [ruleOf("a.test")]), evil, third],
  });
  expect(refusals).toHaveLength(REFUSALS_OF_NAMESPACE_MAX + 1);
  expect(refusals.at(-1)!.about.metadata.namespace).toBe("third");
});

test("backends of many endpoints have a bound of a namespace's servers", () => {
  const many = Array.from({ length: 600 }, (_, at) => ({
    address: `10.1.${at >> 8}.${at & 255}`,
    port: 80,
  }));
  const rewritten = (at: number) =>
    ingressOf(
      { age: at, name: `i${at}`, annotations: { "ingress.r2k.io/rewrite-prefix": `/${at}` } },
      [ruleOf(`h${at}.test`)],
    );
  const ingresses = Array.from({ length: 9 }, (_, at) => rewritten(at));
  const { backends, refusals } = plan({ ingresses, services: { "default/web": many } });
  const used = [...backends.values()].filter(({ targets }) => targets[0]!.endpoints!.length > 0);
  expect(used).toHaveLength(SERVERS_OF_NAMESPACE_MAX / 1_024);
  expect(refusals.map(({ reason }) => reason)).toEqual(["TooMany"]);
});

test("a backend that is refused takes nothing of its namespace's bounds", () => {
  const many = (length: number) =>
    Array.from({ length }, (_, at) => ({ address: `10.1.${at >> 8}.${at & 255}`, port: 80 }));
  const large = Array.from({ length: SERVERS_OF_NAMESPACE_MAX / 1_024 - 1 }, (_, at) =>
    ruleOf(`h${at}.test`, "/", `large${at}`),
  );
  const refused = Array.from({ length: BACKENDS_OF_NAMESPACE_MAX }, (_, at) =>
    ruleOf("a.test", `/${at}`, "refused"),
  );
  const rules = [...large, ruleOf("b.test", "/", "half"), ...refused, ruleOf("c.test", "/", "web")];
  const services = {
    ...Object.fromEntries(large.map((_, at) => [`default/large${at}`, many(600)])),
    "default/half": many(300),
    "default/refused": many(600),
    "default/web": many(1),
  };
  const { backends } = plan({ ingresses: [ingressOf({}, rules)], services });
  expect([...backends.keys()]).toContain("default:web:80");
  expect([...backends.keys()]).not.toContain("default:refused:80");
});

test("of a Secret its pair is kept, unless it is large", async () => {
  const { data } = tlsSecret(await pairFor(["a.test"]));
  const more = { other: "x".repeat(1_000_000) };
  const large = { "tls.crt": "x".repeat(700_000), "tls.key": "x" };
  const labels = { l: "x" };
  const [kept, none] = [{ ...data, ...more }, large].map((each) =>
    keptOf({ metadata: { name: "s", namespace: "n", labels }, data: each }),
  );
  expect(Object.keys(kept!.data!)).toEqual(["tls.crt", "tls.key"]);
  expect(kept!.metadata).toEqual({ name: "s", namespace: "n" });
  expect(readPair(kept)).toMatchObject({ pem: expect.stringContaining("CERTIFICATE") });
  expect([JSON.stringify(none).length < 200, readPair(none)]).toEqual([
    true,
    { problem: "it is too large" },
  ]);
});

test.for([
  [["-newkey", `rsa:${RSA_BITS_MAX + 8}`], `its key has more than ${RSA_BITS_MAX} bits`],
  // Parsing one can take 0.1 s.
  [
    ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"],
    "the curve of a key is written out: name one",
  ],
] as const)("a key that costs a processor is refused: %s", ([kind, problem]) => {
  const dir = mkdtempSync(join(tmpdir(), "r2k-pair-"));
  const names = ["tls.key", "tls.crt"].map((name) => join(dir, name));
  const files = ["-keyout", names[0]!, "-out", names[1]!];
  const made = [...kind, "-nodes", "-subj", "/CN=x"];
  execFileSync("openssl", ["req", "-x509", ...made, ...files], { stdio: "ignore" });
  const [key = "", cert = ""] = names.map((name) => readFileSync(name, "utf8"));
  rmSync(dir, { recursive: true });
  expect(readPair(tlsSecret({ cert, key }))).toEqual({ problem });
});

test("a certificate whose block has PEM inside is refused", async () => {
  const pair = await pairFor(["a.test"]);
  const inside = Buffer.from(pair.cert).toString("base64");
  const cert = `-----BEGIN CERTIFICATE-----\n${inside}\n-----END CERTIFICATE-----\n`;
  expect(readPair(tlsSecret({ ...pair, cert }))).toEqual({ problem: "it has PEM inside" });
});

test("a pair that haproxy refuses is an event, and its hosts have the fallback", async () => {
  const [bad, good] = [await pairFor(["a.test"]), await pairFor(["b.test"])].map(tlsSecret);
  const secrets = { "default/bad": bad!, "default/good": good! };
  const tls = ["a", "b"].map((name, at) => ({
    hosts: [`${name}.test`],
    secretName: ["bad", "good"][at]!,
  }));
  const planned = () =>
    plan({ ingresses: [ingressOf({ spec: { tls } }, [ruleOf("a.test")])], secrets });
  const [first, second] = planned().certificates.filter(({ hosts }) => hosts.length > 0);
  expect([first!.hosts, second!.hosts]).toEqual([["a.test"], ["b.test"]]);
  refusePairs(Object.values(secrets), new Set([first!.id]));
  const { certificates, refusals } = planned();
  expect(certificates.flatMap(({ hosts }) => hosts)).toEqual(["b.test"]);
  expect(refusals.map(({ reason, message }) => `${reason} ${message}`)).toEqual([
    "BadCertificate Secret bad: haproxy's OpenSSL does not take it",
  ]);
});

test("of two rules of one path the older Ingress has it", () => {
  const ingresses = [1, 2].map((age) => ingressOf({ age, name: `i${age}` }, [ruleOf("a.test")]));
  const { sites, refusals } = plan({ ingresses });
  expect(sites[0]!.paths).toHaveLength(1);
  expect(
    refusals.map(({ reason, about }) => [reason, (about.metadata as { name: string }).name]),
  ).toEqual([["PathTaken", "i2"]]);
});

test("a backend that is missing is an event, and its path stays", () => {
  const { sites, backends, refusals } = plan({
    ingresses: [ingressOf({}, [ruleOf("a.test", "/", "nowhere")])],
  });
  expect(refusals[0]).toMatchObject({ reason: "BadBackend" });
  expect(sites[0]!.paths).toHaveLength(1);
  expect(backends.get("default:nowhere:80")!.targets).toEqual([
    { weight: 1, endpoints: [], isHttp2: false },
  ]);
});

test("a default backend takes what no rule of its Ingress does", () => {
  const backend = { service: { name: "rest", port: { number: 80 } } };
  const ingress = ingressOf({ spec: { defaultBackend: backend } }, [ruleOf("a.test", "/web")]);
  const { sites } = plan({ ingresses: [ingress] });
  expect(sites[0]!.paths.map(({ path, backend: name }) => `${path} ${name}`)).toEqual([
    "/web default:web:80",
    " default:rest:80",
  ]);
});

test("annotations with our prefix are read, or are events", () => {
  const annotations = {
    "ingress.r2k.io/rewrite-prefix": "/new",
    "ingress.r2k.io/timeout": "90s",
    "ingress.r2k.io/body-size-max": "1Mi",
    "ingress.r2k.io/snippet": "use_backend x",
    "other/annotation": "x",
  };
  const { backends, refusals } = plan({
    ingresses: [ingressOf({ annotations }, [ruleOf("a.test", "/old")])],
  });
  expect([...backends.values()][0]).toMatchObject({
    timeout_ms: 90_000,
    bodyBytesMax: 1_048_576,
    filters: [{ kind: "prefix", length: 4, value: "/new" }],
  });
  expect(refusals.map(({ message }) => message)).toEqual([
    "ingress.r2k.io/snippet: there is no such annotation",
  ]);
});

test("the endpoints of a port that many rules name are collected once", () => {
  const rules = Array.from({ length: 200 }, (_, i) => ruleOf(`a${i}.test`, `/${i}`));
  const input = inputOf({ services, ingresses: [ingressOf({}, rules)] }, fallback);
  let collected = 0;
  const slices = (key: string) => (collected++, input.services.slices(key));
  const { sites } = planIngresses({ ...input, services: { ...input.services, slices } });
  expect([sites.length, collected]).toEqual([200, 1]);
});

test("of no more ports than a namespace may have backends are the endpoints collected", () => {
  const ports = Array.from({ length: 2 * BACKENDS_OF_NAMESPACE_MAX }, (_, at) => at + 1);
  const rules = ports.map((number) => {
    const backend = { service: { name: "web", port: { number } } };
    return {
      host: "a.test",
      http: { paths: [{ path: `/${number}`, pathType: "Exact", backend }] },
    };
  });
  const input = inputOf({ services, ingresses: [ingressOf({}, rules)] }, fallback);
  const spec = { ports: ports.map((port) => ({ name: `p${port}`, port })) };
  let collected = 0;
  const wide = { service: () => ({ metadata: {}, spec }), slices: () => (collected++, []) };
  planIngresses({ ...input, services: wide });
  expect(collected).toBe(BACKENDS_OF_NAMESPACE_MAX);
});

test("endpoints on loopback and link-local addresses are not used", () => {
  const endpoints = ["127.0.0.1", "169.254.169.254", "10.0.0.9"].map((address) => ({
    address,
    port: 80,
  }));
  const { backends } = plan({
    ingresses: [ingressOf({}, [ruleOf("a.test")])],
    services: { "default/web": endpoints },
  });
  expect(backends.get("default:web:80")!.targets[0]!.endpoints).toEqual([
    { address: "10.0.0.9", port: 80 },
  ]);
});
