import type { Secret, Service } from "@raft2kube/api/gen/core/v1.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import { describe, expect, test, vi } from "vitest";
import { tablesOf } from "../haproxy/tables.ts";
import {
  CERTIFICATES_OF_NAMESPACE_MAX,
  COMPARED_OF_NAMESPACE_MAX,
  ROUTES_OF_NAMESPACE_BYTES_MAX,
} from "../limits.ts";
import { pairFor, tlsSecret } from "../testing/objects.ts";
import { type GatewayInput, intersect, planGateways } from "./plan.ts";
import { applyServices, planServices } from "./services.ts";
import { gatewayStatus, routeStatus } from "./status.ts";
import { type Gateway, GROUP, type Listener, type ReferenceGrant, type Route } from "./types.ts";

const NOW = "2026-01-01T00:00:00Z";

function gatewayOf(listeners: Listener[], namespace = "infra"): Gateway {
  return {
    metadata: { name: "gate", namespace, generation: 3 },
    spec: { gatewayClassName: "r2k", listeners },
  };
}

function routeOf(words: Partial<Route["spec"]> = {}, name = "route", namespace = "infra"): Route {
  const backendRefs = [{ name: "web", port: 80 }];
  return {
    kind: "HTTPRoute",
    metadata: { name, namespace, creationTimestamp: NOW },
    spec: {
      parentRefs: [{ name: "gate", namespace: "infra" }],
      rules: [{ backendRefs }],
      ...words,
    },
  };
}

interface World {
  readonly gateways: Gateway[];
  readonly routes?: Route[];
  readonly grants?: ReferenceGrant[];
  readonly secrets?: Record<string, Secret>;
}

function plan({ gateways, routes = [], grants = [], secrets = {} }: World, lookedUp = () => {}) {
  const input: GatewayInput = {
    gateways,
    routes,
    grants,
    secret: (key) => secrets[key],
    namespace: (name) => ({ metadata: { name, labels: { team: name } }, spec: {} }),
    portOf: (_, port) => 20_000 + port,
    services: {
      slices: () => {
        lookedUp();
        return [];
      },
      service: (key) =>
        key.endsWith("/web") ? { metadata: {}, spec: { ports: [{ port: 80 }] } } : undefined,
    },
  };
  return planGateways(input);
}

const HTTP: Listener = { name: "http", port: 80, protocol: "HTTP" };
const reasonOf = (world: World) =>
  plan(world).parents.map(
    ({ findings }) => findings.map(({ type, reason }) => `${type} ${reason}`).join() || "Accepted",
  );

test("routes to one Service speak the protocol of their kind to it", () => {
  const routes = (["HTTPRoute", "GRPCRoute"] as const).map((kind) => ({ ...routeOf(), kind }));
  const { backends } = plan({ gateways: [gatewayOf([HTTP])], routes });
  const protocols = [...backends.values()].map(({ targets }) => targets[0]?.isHttp2);
  expect(protocols).toEqual([false, true]);
});

describe("hosts", () => {
  test.each([
    ["", "", ""],
    ["a.test", "", "a.test"],
    ["", "a.test", "a.test"],
    ["a.test", "a.test", "a.test"],
    ["*.test", "b.a.test", "b.a.test"],
    ["*.a.test", "*.test", "*.a.test"],
    ["a.test", "*.test", "a.test"],
    ["*.test", "test", undefined],
    ["a.test", "b.test", undefined],
    ["*.a.test", "*.b.test", undefined],
  ])("a listener's %s and a route's %s are %s", (listener, route, both) => {
    expect(intersect(listener, route)).toBe(both);
  });
});

describe("attachment", () => {
  test("a target that many rules name, at many listeners, is looked up once", () => {
    const listeners = Array.from({ length: 9 }, (_, i) => ({
      ...HTTP,
      name: `l${i}`,
      port: i + 1,
    }));
    const backendRefs = Array(16).fill({ name: "web", port: 80 }) as { name: string }[];
    const rules = Array(16).fill({ backendRefs }) as object[];
    let lookedUp = 0;
    plan({ gateways: [gatewayOf(listeners)], routes: [routeOf({ rules })] }, () => lookedUp++);
    expect(lookedUp).toBe(1);
  });

  test("a listener allows routes of its namespace, of all, or of those it selects", () => {
    const from = (how: string, selector?: object) => [
      gatewayOf([
        {
          ...HTTP,
          allowedRoutes: { namespaces: { from: how, ...(selector ? { selector } : {}) } },
        },
      ]),
    ];
    const others = [routeOf({}, "route", "other")];
    expect(reasonOf({ gateways: [gatewayOf([HTTP])], routes: others })).toEqual(
      ["Accepted NotAllowedByListeners,ResolvedRefs BackendNotFound"].map(
        (text) => text.split(",")[0],
      ),
    );
    expect(reasonOf({ gateways: from("All"), routes: others })).toEqual(["Accepted"]);
    const selects = (team: string) => from("Selector", { matchLabels: { team } });
    expect(reasonOf({ gateways: selects("other"), routes: others })).toEqual(["Accepted"]);
    const isRefused = ["Accepted NotAllowedByListeners"];
    expect(reasonOf({ gateways: selects("x"), routes: others })).toEqual(isRefused);
    // The schema of the API leaves operators open: an error would be that of all Gateways.
    const unknown = { matchExpressions: [{ key: "team", operator: "constructor" }] };
    const gateways = from("Selector", unknown);
    expect(reasonOf({ gateways, routes: others })).toEqual(isRefused);
    expect(plan({ gateways }).gateways[0]!.listeners[0]!.findings[0]).toMatchObject({
      type: "Accepted",
      reason: "Invalid",
    });
  });

  test("a route names a section, a port and hosts that a listener has", () => {
    const gateways = [gatewayOf([{ ...HTTP, hostname: "*.a.test" }])];
    const parent = (more: object) => [{ name: "gate", ...more }];
    const reasons = reasonOf({
      gateways,
      routes: [
        routeOf({ parentRefs: parent({ sectionName: "http" }) }, "a"),
        routeOf({ parentRefs: parent({ sectionName: "x" }) }, "b"),
        routeOf({ parentRefs: parent({ port: 81 }) }, "c"),
        routeOf({ hostnames: ["b.test"] }, "d"),
      ],
    });
    expect(reasons).toEqual([
      "Accepted",
      "Accepted NoMatchingParent",
      "Accepted NoMatchingParent",
      "Accepted NoMatchingListenerHostname",
    ]);
  });

  test.each([
    ["a path's kind", { matches: [{ path: { type: "RegularExpression", value: "/a.*" } }] }],
    ...["set", "add", "remove"].map((how): [string, object] => {
      const type = "ResponseHeaderModifier";
      const header = { name: "Content-Length", value: "500" };
      const responseHeaderModifier = { [how]: [how === "remove" ? header.name : header] };
      return [`${how} of a length`, { filters: [{ type, responseHeaderModifier }] }];
    }),
  ])("a value that is not served is refused by name: %s", (_, rule) => {
    const routes = [routeOf({ rules: [rule] })];
    expect(reasonOf({ gateways: [gatewayOf([HTTP])], routes })).toEqual([
      "Accepted UnsupportedValue",
    ]);
  });
});

test("a host of a narrower listener is served by no route of a wider one", () => {
  const all = { namespaces: { from: "All" } };
  const own: Listener = { ...HTTP, name: "own", hostname: "shop.example" };
  const below: Listener = { ...HTTP, name: "below", hostname: "*.team.example" };
  for (const name of [{ hostname: "*.example" }, {}]) {
    const wide: Listener = { ...HTTP, ...name, name: "wide", allowedRoutes: all };
    const hostnames = ["shop.example", "x.team.example", "*.example", "free.example"];
    const steals = routeOf({ hostnames }, "steals", "other");
    const serves = routeOf({ hostnames: ["shop.example"] }, "serves");
    const { sites } = plan({ gateways: [gatewayOf([wide, own, below])], routes: [steals, serves] })
      .frontends[0]!;
    const shown = Object.fromEntries(
      sites.map(({ host, paths }) => [
        host,
        paths.map(({ backend }) => backend.split(":")[1]).join(),
      ]),
    );
    expect(shown).toEqual({
      "**.example": "other",
      "shop.example": "infra",
      "**.team.example": "",
      "free.example": "other",
    });
  }
});

describe("references to other namespaces", () => {
  const tls = (namespace: string) => ({ certificateRefs: [{ name: "tls", namespace }] });
  const https: Listener = { name: "https", port: 443, protocol: "HTTPS", tls: tls("secret") };
  const grant = (kind: string, to: string, namespace: string): ReferenceGrant => ({
    metadata: { name: "grant", namespace },
    spec: { from: [{ group: GROUP, kind, namespace: "infra" }], to: [{ group: "", kind: to }] },
  });

  test("a Gateway reads another namespace's Secret only by a ReferenceGrant", async () => {
    const secrets = { "secret/tls": tlsSecret(await pairFor(["a.test"])) };
    const gateways = [gatewayOf([https])];
    const without = plan({ gateways, secrets });
    expect(without.frontends).toEqual([]);
    expect(without.gateways[0]!.listeners[0]!.findings).toContainEqual(
      expect.objectContaining({ reason: "RefNotPermitted" }),
    );
    for (const wrong of [
      grant("HTTPRoute", "Secret", "secret"),
      grant("Gateway", "Service", "secret"),
      grant("Gateway", "Secret", "infra"),
    ]) {
      expect(plan({ gateways, secrets, grants: [wrong] }).frontends).toEqual([]);
    }
    const allowed = plan({ gateways, secrets, grants: [grant("Gateway", "Secret", "secret")] });
    expect(allowed.frontends[0]!.binds[0]!.certificates).toHaveLength(1);
  });

  test("a route sends to another namespace's Service only by a ReferenceGrant", () => {
    const rules = [{ backendRefs: [{ name: "web", namespace: "other", port: 80 }] }];
    const world = { gateways: [gatewayOf([HTTP])], routes: [routeOf({ rules })] };
    expect(reasonOf(world)).toEqual(["ResolvedRefs RefNotPermitted"]);
    expect([...plan(world).backends.values()][0]!.targets[0]!.endpoints).toBeUndefined();
    expect(reasonOf({ ...world, grants: [grant("HTTPRoute", "Service", "other")] })).toEqual([
      "Accepted",
    ]);
  });
});

test("a namespace's routes have a bound; the newest exceed it, another's are served", () => {
  const rules = Array.from({ length: 16 }, (_, i) => ({
    matches: [{ path: { value: `/p${i}` } }],
    backendRefs: [{ name: "web", port: 80 }],
  }));
  const at = (second: number) => new Date(Date.parse(NOW) + second * 1_000).toISOString();
  const routes = Array.from({ length: 64 }, (_, i) => {
    const route = routeOf({ rules }, `r${i}`);
    return { ...route, metadata: { ...route.metadata, creationTimestamp: at(i) } };
  });
  const other = routeOf({}, "other", "other");
  other.metadata.creationTimestamp = at(100);
  const all = { ...HTTP, allowedRoutes: { namespaces: { from: "All" } } };
  const reasons = reasonOf({ gateways: [gatewayOf([all])], routes: [...routes, other] });
  expect(reasons.slice(0, 62)).toEqual(Array.from({ length: 62 }, () => "Accepted"));
  expect(reasons.slice(62)).toEqual(["Accepted TooMany", "Accepted TooMany", "Accepted"]);
});

describe("what multiplies has bounds of a namespace", () => {
  const listenersOf = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ ...HTTP, name: `l${i}`, port: i + 1 }));
  const matchesOf = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ path: { value: `/${"p".repeat(i)}` } }));

  test("a route's filters, for each match and listener", () => {
    const set = Array.from({ length: 16 }, (_, i) => ({
      name: `x-${i}`,
      value: "v".repeat(4_096),
    }));
    const filters = [
      { type: "RequestHeaderModifier", requestHeaderModifier: { set } },
      {
        type: "URLRewrite",
        urlRewrite: { path: { type: "ReplacePrefixMatch", replacePrefixMatch: "/" } },
      },
    ];
    const rules = [{ filters, matches: matchesOf(16), backendRefs: [{ name: "web", port: 80 }] }];
    const gateways = [gatewayOf(listenersOf(9))];
    const { backends, parents } = plan({ gateways, routes: [routeOf({ rules })] });
    expect(parents[0]!.findings.map(({ reason }) => reason)).toEqual(["TooMany"]);
    expect(JSON.stringify([...backends]).length).toBeLessThan(ROUTES_OF_NAMESPACE_BYTES_MAX);
    // Of each percent sign haproxy makes a piece of 84 bytes.
    const one = {
      type: "RequestHeaderModifier",
      requestHeaderModifier: { set: [{ ...set[0]!, value: "%".repeat(4_096) }] },
    };
    const few = [{ filters: [one], matches: matchesOf(16) }];
    expect(reasonOf({ gateways, routes: [routeOf({ rules: few })] })).toEqual(["Accepted TooMany"]);
  });

  test("the servers of its backends", () => {
    const backendRefs = Array(16).fill({ name: "web", port: 80 }) as { name: string }[];
    const rules = Array.from({ length: 9 }, (_, i) => ({
      matches: matchesOf(16),
      backendRefs,
      timeouts: { request: `${i + 1}s` },
    }));
    const routes = [routeOf({ rules }), routeOf({}, "later", "other")];
    const all = { ...HTTP, allowedRoutes: { namespaces: { from: "All" } } };
    expect(reasonOf({ gateways: [gatewayOf([all])], routes })).toEqual([
      "Accepted TooMany",
      "Accepted",
    ]);
  });

  test("listeners that its routes are compared with", () => {
    const listeners = listenersOf(64).map((one) => ({ ...one, hostname: "x.test" }));
    const routes = Array.from({ length: COMPARED_OF_NAMESPACE_MAX / 64 + 1 }, (_, i) =>
      routeOf({ hostnames: ["y.test"] }, `r${i}`),
    );
    const reasons = reasonOf({ gateways: [gatewayOf(listeners)], routes });
    expect(reasons.filter((reason) => reason === "Accepted TooMany")).toHaveLength(1);
  });

  test("the certificates of its listeners", async () => {
    const secrets = { "infra/tls": tlsSecret(await pairFor(["a.test"])) };
    const listeners = Array.from({ length: CERTIFICATES_OF_NAMESPACE_MAX + 1 }, (_, i) => ({
      name: `l${i}`,
      hostname: `h${i}.test`,
      port: 443,
      protocol: "HTTPS",
      tls: { certificateRefs: [{ name: "tls" }] },
    }));
    const { frontends, gateways } = plan({ gateways: [gatewayOf(listeners)], secrets });
    expect(frontends[0]!.binds[0]!.certificates).toHaveLength(CERTIFICATES_OF_NAMESPACE_MAX);
    expect(gateways[0]!.listeners.filter(({ isProgrammed }) => !isProgrammed)).toHaveLength(1);
  });

  test("what is wrong with a route is found once, and ReferenceGrants are read once", () => {
    let read = 0;
    const grants = Array.from({ length: 5 }, (_, i): ReferenceGrant => {
      const from = [{ group: GROUP, kind: "HTTPRoute", namespace: "infra" }];
      const to = [{ group: "", kind: "Service", name: "none" }];
      const spec = Object.defineProperty({ from, to }, "from", { get: () => (read++, from) });
      return { metadata: { name: `g${i}`, namespace: "other" }, spec };
    });
    const backendRefs = Array(16).fill({ name: "web", namespace: "other", port: 80 }) as object[];
    const rules = Array(16).fill({ backendRefs }) as object[];
    const world = { gateways: [gatewayOf(listenersOf(9))], routes: [routeOf({ rules })], grants };
    const [parent] = plan(world).parents;
    expect(parent!.findings.map(({ reason }) => reason)).toEqual(["RefNotPermitted"]);
    expect(read).toBeLessThanOrEqual(2 * grants.length);
  });
});

test("a route's paths count for each of its hosts", () => {
  const rules = Array.from({ length: 16 }, (_, rule) => ({
    matches: Array.from({ length: 50 }, (_, i) => ({ path: { value: `/p${rule}-${i}` } })),
    backendRefs: [{ name: "web", port: 80 }],
  }));
  const reasonsOf = (hosts: number) => {
    const hostnames = Array.from({ length: hosts }, (_, i) => `h${i}.test`);
    return reasonOf({ gateways: [gatewayOf([HTTP])], routes: [routeOf({ rules, hostnames })] });
  };
  expect([15, 16].map(reasonsOf)).toEqual([["Accepted"], ["Accepted TooMany"]]);
});

test("rules with conditions have a bound, of a namespace and of a port; others are served", () => {
  const rules = Array.from({ length: 10 }, (_, i) => ({
    matches: [{ method: "GET", path: { value: `/p${i}` } }],
    backendRefs: [{ name: "web", port: 80 }],
  }));
  const hostnames = Array.from({ length: 10 }, (_, i) => `h${i}.test`);
  const ofTenant = (tenant: number) =>
    Array.from({ length: 6 }, (_, i) => {
      const route = routeOf({ rules, hostnames }, `r${i}`, `tenant-${tenant}`);
      return { ...route, metadata: { ...route.metadata, creationTimestamp: `2026-0${tenant}-01` } };
    });
  const plain = routeOf({}, "plain", "tenant-5");
  const all = { ...HTTP, allowedRoutes: { namespaces: { from: "All" } } };
  const world = {
    gateways: [gatewayOf([all])],
    routes: [...[1, 2, 3, 4, 5].flatMap(ofTenant), plain],
  };
  const refused = plan(world).parents.flatMap(({ route, findings }) =>
    findings.map(({ reason, message }) => `${keyOf(route)} ${reason}: ${message}`),
  );
  const what = "TooMany: there are too many rules with conditions";
  expect(refused).toEqual([
    ...[1, 2, 3, 4].map((tenant) => `tenant-${tenant}/r5 ${what} of namespace tenant-${tenant}`),
    ...[0, 1, 2, 3, 4].map((i) => `tenant-5/r${i} ${what} at port 80 of infra/gate`),
    `tenant-5/r5 ${what} of namespace tenant-5`,
  ]);
  // One line for each, although every path is below the first ones.
  const sites = [
    {
      host: "",
      paths: Array.from({ length: 300 }, (_, i) => ({
        kind: "prefix" as const,
        path: "/a".repeat(i),
        backend: "b",
        conditions: [{ on: "method" as const, value: "GET" }],
      })),
    },
  ];
  expect(tablesOf(sites).lines).toHaveLength(300);
  expect(plan(world).frontends[0]!.sites.flatMap(({ paths }) => paths)).toHaveLength(2_001);
});

test("routes that are not served take nothing of a port's bound", () => {
  const rules = (refused: boolean) =>
    Array.from({ length: 10 }, (_, i) => ({
      matches: [{ method: "GET", path: { value: `/p${i}` } }],
      backendRefs: [{ name: "web", port: 80 }],
      ...(refused ? { filters: [{ type: "RequestMirror" }] } : {}),
    }));
  const hostnames = Array.from({ length: 50 }, (_, i) => `h${i}.test`);
  const routes = [1, 2, 3, 4, 5].map((tenant) => {
    const route = routeOf({ rules: rules(tenant < 5), hostnames }, "route", `tenant-${tenant}`);
    return { ...route, metadata: { ...route.metadata, creationTimestamp: `2026-0${tenant}-01` } };
  });
  const all = { ...HTTP, allowedRoutes: { namespaces: { from: "All" } } };
  expect(reasonOf({ gateways: [gatewayOf([all])], routes })).toEqual([
    ...Array<string>(4).fill("Accepted UnsupportedValue"),
    "Accepted",
  ]);
});

test("rules of a path: with a method first, then more headers, then the older route", () => {
  const rule = (name: string, more: object) => ({
    matches: [{ path: { value: "/p" }, ...more }],
    backendRefs: [{ name, port: 80 }],
  });
  const header = (name: string) => ({ name, value: "1" });
  const routes = [
    routeOf({ rules: [rule("a", {})] }, "a"),
    routeOf({ rules: [rule("b", { headers: [header("x")] })] }, "b"),
    routeOf({ rules: [rule("c", { headers: [header("x"), header("y")] })] }, "c"),
    routeOf({ rules: [rule("d", { method: "GET" })] }, "d"),
  ];
  const [frontend] = plan({ gateways: [gatewayOf([HTTP])], routes }).frontends;
  const { lines, maps } = tablesOf(frontend!.sites);
  // The last line that holds decides.
  expect(lines.map(({ conditions }) => conditions.map(({ on }) => on).join())).toEqual([
    "header",
    "header,header",
    "method",
  ]);
  expect(maps.prefix).toContain("s0/p/ 4/gateway:infra:");
});

test("a Gateway's Service keeps the data plane's ports, and goes with it", () => {
  const gateways = [gatewayOf([HTTP, { ...HTTP, name: "other", port: 8080 }])];
  const first = planServices(gateways, [], "ingress");
  expect(first.changed[0]!.spec.ports!.map(({ port, targetPort }) => [port, targetPort])).toEqual([
    [80, 20_000],
    [8080, 20_001],
  ]);
  const fewer = planServices([gatewayOf([{ ...HTTP, port: 8080 }])], first.changed, "ingress");
  expect(fewer.changed[0]!.spec.ports!.map(({ port, targetPort }) => [port, targetPort])).toEqual([
    [8080, 20_001],
  ]);
  expect(planServices([], first.changed, "ingress").deleted).toHaveLength(1);
});

test("a Service that cannot be made keeps no other from its change", async () => {
  const gateways = ["a", "b"].map((namespace) => gatewayOf([HTTP], namespace));
  const { changed } = planServices(gateways, [], "ingress");
  const full = new Error("failed to allocate a nodePort: range is full");
  const create = vi.fn((service: Service) =>
    service === changed[0] ? Promise.reject(full) : Promise.resolve(service),
  );
  const writer = { create, update: vi.fn(), delete: vi.fn(async () => undefined) };
  expect(await applyServices({ changed, deleted: changed }, writer)).toBe(full);
  expect(create).toHaveBeenCalledTimes(2);
  expect(writer.delete).toHaveBeenCalledTimes(2);
});

test("a namespace's Gateways have a bounded number of ports, the first ones", () => {
  const gateways = Array.from({ length: 1_001 }, (_, i) => {
    const gateway = gatewayOf([HTTP], "tenant");
    return { ...gateway, metadata: { ...gateway.metadata, name: `g${i}` } };
  });
  const { wanted } = planServices([...gateways, gatewayOf([HTTP])], [], "ingress");
  expect(wanted.has("tenant/g99")).toBe(true);
  expect(wanted.has("tenant/g100")).toBe(false);
  expect(wanted.has("infra/gate")).toBe(true);
});

describe("status", () => {
  test("a Gateway is programmed when it has an address", () => {
    const [planned] = plan({ gateways: [gatewayOf([HTTP])], routes: [routeOf()] }).gateways;
    const reasons = (addresses: string[]) =>
      gatewayStatus(planned!, addresses, NOW).conditions!.map(
        ({ type, status, reason }) => `${type} ${status} ${reason}`,
      );
    expect(reasons([])).toEqual(["Accepted True Accepted", "Programmed False AddressNotAssigned"]);
    expect(reasons(["10.0.0.1"])).toEqual(["Accepted True Accepted", "Programmed True Programmed"]);
    expect(gatewayStatus(planned!, [], NOW).listeners![0]).toMatchObject({ attachedRoutes: 1 });
  });

  test("other controllers' parts of a route's status stay", () => {
    const other = { parentRef: { name: "x" }, controllerName: "other/controller", conditions: [] };
    const route = { ...routeOf(), status: { parents: [other] } };
    const { parents } = plan({ gateways: [gatewayOf([HTTP])], routes: [route] });
    const status = routeStatus(route, parents, "r2k.io/gateway", NOW);
    expect(status.parents!.map(({ controllerName }) => controllerName)).toEqual([
      "other/controller",
      "r2k.io/gateway",
    ]);
  });
});
