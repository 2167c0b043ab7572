import type { Namespace } from "@raft2kube/api/gen/core/v1.ts";
import { matchesSelector } from "@raft2kube/api/selector.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import {
  BACKENDS_OF_NAMESPACE_MAX,
  CONDITION_LINES_MAX,
  CONDITION_LINES_OF_NAMESPACE_MAX,
  PATHS_OF_NAMESPACE_MAX,
} from "../limits.ts";
import { Bounds } from "../plan/bounds.ts";
import type { Backend, Certificate, Frontend, PathRule, Plan } from "../plan/model.ts";
import { byAge } from "../plan/owners.ts";
import { type Services, Targets } from "../plan/targets.ts";
import {
  type Finding,
  finding,
  type ListenerInput,
  type PlannedListener,
  planListeners,
} from "./listeners.ts";
import { type PlannedRules, planRules, type RuleInput } from "./rules.ts";
import { type Gateway, GROUP, type ParentReference, type Route } from "./types.ts";

export interface GatewayInput extends ListenerInput, Omit<RuleInput, "listener" | "targets"> {
  readonly services: Services;
  /** Gateways of this controller's classes. */
  readonly gateways: readonly Gateway[];
  readonly routes: readonly Route[];
  namespace(name: string): Namespace | undefined;
  /** The data plane's port for a Gateway's port; undefined: none is assigned yet. */
  portOf(gateway: Gateway, port: number): number | undefined;
}

export interface PlannedGateway {
  readonly gateway: Gateway;
  readonly listeners: readonly (PlannedListener & { readonly attached: number })[];
}

export interface PlannedParent {
  readonly route: Route;
  readonly parent: ParentReference;
  readonly findings: readonly Finding[];
}

export interface GatewayPlan extends Plan {
  readonly gateways: readonly PlannedGateway[];
  readonly parents: readonly PlannedParent[];
}

/** A port of a Gateway while it is planned. */
interface Port {
  readonly gateway: Gateway;
  readonly port: number;
  readonly listeners: readonly PlannedListener[];
  /** The rules of each host, of the older routes first. */
  readonly sites: Map<string, PathRule[]>;
}

/** A route's references are judged by this listener where it is attached to none. */
const UNATTACHED = { port: 80, protocol: "HTTP" };

/** Plans Gateways and their routes, the older routes first. Pure. */
export function planGateways(input: GatewayInput): GatewayPlan {
  const backends = new Map<string, Backend>();
  const bounds = new Bounds();
  const targets = new Targets(input.services);
  const parents: PlannedParent[] = [];
  const attached = new Map<PlannedListener, number>();
  const planned = input.gateways.map((gateway) => {
    return { gateway, listeners: planListeners(gateway, input) };
  });
  const ports = planned.flatMap(({ gateway, listeners }) => portsOf(gateway, listeners));
  /** Serves a route at a listener; returns what is not true of it. */
  const serve = (route: Route, { listener, hosts }: Attachment): readonly Finding[] => {
    attached.set(listener, (attached.get(listener) ?? 0) + 1);
    const port = ports.find((one) => one.listeners.includes(listener))!;
    const rules = planRules(route, { ...input, targets, listener: listener.listener });
    const isRefused = rules.findings.some(({ type }) => type === "Accepted");
    if (isRefused || !listener.isProgrammed) return rules.findings;
    const excess = bounds.take(...amountsOf(route, rules, port, hosts.length));
    if (excess !== undefined) {
      const message = `there are too many ${excess}`;
      return [...rules.findings, finding("Accepted", "TooMany", message)];
    }
    for (const backend of rules.backends) backends.set(backend.name, backend);
    for (const host of hosts) {
      const known = port.sites.get(host) ?? [];
      port.sites.set(host, known);
      for (const path of rules.paths) known.push(path);
    }
    return rules.findings;
  };
  for (const route of input.routes.toSorted(byAge)) {
    for (const parent of route.spec.parentRefs ?? []) {
      const found = planned.find(({ gateway }) => isParent(parent, route, gateway));
      if (!found) continue;
      const { findings, listeners } = attach(route, parent, found, input);
      const more =
        listeners.length > 0
          ? listeners.flatMap((each) => serve(route, each))
          : planRules(route, { ...input, targets, listener: UNATTACHED }).findings.filter(
              ({ type }) => type === "ResolvedRefs",
            );
      parents.push({ route, parent, findings: [...findings, ...more] });
    }
  }
  return {
    frontends: ports.flatMap((port) => frontendOf(port, input)),
    backends,
    gateways: planned.map(({ gateway, listeners }) => ({
      gateway,
      listeners: listeners.map((each) => ({ ...each, attached: attached.get(each) ?? 0 })),
    })),
    parents,
  };
}

/** Lists the amounts that a route takes of its namespace's bounds and the port's. */
function amountsOf(
  { metadata: { namespace } }: Route,
  { paths, backends }: PlannedRules,
  at: Port,
  hosts: number,
) {
  const lines = paths.filter(({ conditions }) => conditions.length > 0).length * hosts;
  const own = `of namespace ${namespace}`;
  const rules = "rules with conditions";
  return [
    [`paths ${own}`, paths.length * hosts, PATHS_OF_NAMESPACE_MAX],
    [`backends ${own}`, backends.length, BACKENDS_OF_NAMESPACE_MAX],
    [`${rules} ${own}`, lines, CONDITION_LINES_OF_NAMESPACE_MAX],
    [`${rules} at port ${at.port} of ${keyOf(at.gateway)}`, lines, CONDITION_LINES_MAX],
  ] as const;
}

function isParent(parent: ParentReference, route: Route, { metadata }: Gateway): boolean {
  const { group = GROUP, kind = "Gateway", namespace = route.metadata.namespace, name } = parent;
  return (
    group === GROUP &&
    kind === "Gateway" &&
    metadata.name === name &&
    metadata.namespace === namespace
  );
}

type Attachment = { readonly listener: PlannedListener; readonly hosts: readonly string[] };

/** The listeners that a route is attached to by one of its parents, or why there is none. */
function attach(
  route: Route,
  { sectionName, port }: ParentReference,
  { gateway, listeners }: { gateway: Gateway; listeners: readonly PlannedListener[] },
  input: GatewayInput,
): { findings: readonly Finding[]; listeners: readonly Attachment[] } {
  const refuse = (reason: string, message: string) => ({
    findings: [finding("Accepted", reason, message)],
    listeners: [],
  });
  const named = listeners.filter(
    ({ listener }) =>
      (sectionName === undefined || listener.name === sectionName) &&
      (port === undefined || listener.port === port),
  );
  if (named.length === 0) return refuse("NoMatchingParent", "the Gateway has no such listener");
  const allowed = named.filter((one) => isAllowed(route, one, gateway, input));
  if (allowed.length === 0) return refuse("NotAllowedByListeners", "no listener allows the route");
  const { hostnames = [] } = route.spec;
  const fitting = allowed.flatMap((listener) => {
    const hosts = (hostnames.length === 0 ? [""] : hostnames).flatMap(
      (host) => intersect(listener.listener.hostname ?? "", host) ?? [],
    );
    return hosts.length > 0 ? [{ listener, hosts }] : [];
  });
  if (fitting.length === 0) {
    return refuse("NoMatchingListenerHostname", "no listener has the route's host names");
  }
  return { findings: [], listeners: fitting };
}

/**
 * Intersects a listener's host with a route's, each a name, `*.` and a suffix, or empty for all.
 * Returns the narrower one; undefined if no name fits both.
 */
export function intersect(listener: string, route: string): string | undefined {
  if (covers(listener, route)) return route;
  return covers(route, listener) ? listener : undefined;
}

/** Whether each name of `narrow` is one of `wide`; a wildcard stands for one label or more. */
function covers(wide: string, narrow: string): boolean {
  if (wide === narrow || wide === "") return true;
  return wide.startsWith("*.") && narrow.endsWith(wide.slice(1)) && narrow !== wide.slice(2);
}

function isAllowed(
  route: Route,
  { listener, kinds }: PlannedListener,
  gateway: Gateway,
  input: GatewayInput,
): boolean {
  if (!kinds.includes(route.kind)) return false;
  const { from = "Same", selector } = listener.allowedRoutes?.namespaces ?? {};
  const { namespace = "" } = route.metadata;
  if (from === "All") return true;
  if (from === "Same") return namespace === gateway.metadata.namespace;
  if (from !== "Selector") return false;
  return matchesSelector(selector, input.namespace(namespace)?.metadata.labels ?? {});
}

function portsOf(gateway: Gateway, listeners: readonly PlannedListener[]): Port[] {
  const numbers = [...new Set(listeners.map(({ listener }) => listener.port))];
  return numbers.map((port) => ({
    gateway,
    port,
    sites: new Map<string, PathRule[]>(),
    listeners: listeners.filter(({ listener }) => listener.port === port),
  }));
}

/** Orders rules of one path: those with a method, more headers, more parameters, the older. */
function byPrecedence(a: PathRule, b: PathRule): number {
  const count = ({ conditions }: PathRule, what: string) =>
    conditions.filter(({ on }) => on === what).length;
  const differences = ["method", "header", "query"].map((on) => count(b, on) - count(a, on));
  return differences.find((difference) => difference !== 0) ?? 0;
}

function frontendOf({ gateway, listeners, ...at }: Port, input: GatewayInput): Frontend[] {
  const port = input.portOf(gateway, at.port);
  const programmed = listeners.filter(({ isProgrammed }) => isProgrammed);
  const [first] = programmed;
  if (port === undefined || !first) return [];
  const certificates = programmed.flatMap(({ listener: { hostname }, pair }): Certificate[] =>
    pair ? [{ ...pair, hosts: hostname ? [hostname] : [] }] : [],
  );
  const bind = first.listener.protocol === "HTTP" ? { port } : { port, certificates };
  const sites = [...at.sites].map(([host, paths]) => ({
    host: host.replace(/^\*/, "**"),
    paths: paths.toSorted(byPrecedence),
  }));
  return [{ name: `gateway-${port}`, binds: [bind], sites }];
}
