import type { Namespace } from "@raft2kube/api/gen/core/v1.ts";
import { matchesSelector } from "@raft2kube/api/selector.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import {
  BACKENDS_OF_NAMESPACE_MAX, CONDITION_LINES_MAX, CONDITION_LINES_OF_NAMESPACE_MAX,
  PATHS_OF_NAMESPACE_MAX,
} from "../limits.ts";
import type {
  Backend, Certificate, Frontend, HostMatch, PathRule, Plan, Site,
} from "../plan/model.ts";
import { byAge } from "../plan/owners.ts";
import { intersect } from "./hosts.ts";
import {
  finding, type Finding, type ListenerInput, planListeners, type PlannedListener,
} from "./listeners.ts";
import { planRules, type RuleInput } from "./rules.ts";
import type { Gateway, ParentReference, Route } from "./types.ts";
import { GROUP } from "./types.ts";

export interface GatewayInput extends ListenerInput, Omit<RuleInput, "listener"> {
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

/** A path of a site, with what orders it. */
interface Placed {
  readonly rule: PathRule;
  readonly route: number;
}

/** A port of a Gateway while it is planned. */
interface Port {
  readonly gateway: Gateway;
  readonly port: number;
  readonly listeners: readonly PlannedListener[];
  readonly sites: Map<string, Placed[]>;
}

/** Plans Gateways and their routes, the older routes first. Pure. */
export function planGateways(input: GatewayInput): GatewayPlan {
  const backends = new Map<string, Backend>();
  const used = new Map<string, number>();
  const parents: PlannedParent[] = [];
  const attached = new Map<PlannedListener, number>();
  const planned = input.gateways.map((gateway) => {
    return { gateway, listeners: planListeners(gateway, input) };
  });
  const ports = planned.flatMap(({ gateway, listeners }) => portsOf(gateway, listeners));
  const routes = input.routes.toSorted(byAge);
  routes.forEach((route, index) => {
    for (const parent of route.spec.parentRefs ?? []) {
      const found = planned.find(({ gateway }) => isParent(parent, route, gateway));
      if (!found) continue;
      const { findings, listeners } = attach(route, parent, found, input);
      const more: Finding[] = [];
      for (const { listener, hosts } of listeners) {
        attached.set(listener, (attached.get(listener) ?? 0) + 1);
        const port = ports.find((one) => one.listeners.includes(listener));
        const rules = planRules(route, { ...input, listener: listener.listener });
        more.push(...rules.findings);
        const isRefused = rules.findings.some(({ type }) => type === "Accepted");
        if (!port || isRefused || !listener.isProgrammed) continue;
        const excess = take(route, rules, { port, hosts: hosts.length }, used);
        if (excess !== undefined) {
          more.push(finding("Accepted", "TooMany", `there are too many ${excess}`));
          continue;
        }
        for (const backend of rules.backends) backends.set(backend.name, backend);
        for (const host of hosts) place(port, host, rules.paths, index);
      }
      // Without a listener the references are judged all the same.
      const unattached = { port: 80, protocol: "HTTP" };
      if (listeners.length === 0) {
        more.push(...planRules(route, { ...input, listener: unattached }).findings
          .filter(({ type }) => type === "ResolvedRefs"));
      }
      parents.push({ route, parent, findings: [...findings, ...more] });
    }
  });
  return {
    frontends: ports.flatMap((port) => frontendOf(port, input) ?? []),
    backends,
    gateways: planned.map(({ gateway, listeners }) => ({
      gateway, listeners: listeners.map((each) => ({ ...each, attached: attached.get(each) ?? 0 })),
    })),
    parents,
  };
}

/**
 * Counts what a route takes of its namespace's bounds and the port's, if all of it fits; else
 * returns what exceeds its bound.
 */
function take(
  { metadata: { namespace } }: Route,
  { paths, backends }: ReturnType<typeof planRules>,
  at: { readonly port: Port; readonly hosts: number },
  used: Map<string, number>,
): string | undefined {
  const conditional = paths.filter(({ conditions }) => conditions.length > 0).length;
  const lines = conditional * at.hosts;
  const { gateway, port } = at.port;
  const rules = "rules with conditions";
  const counts = [
    [`paths of namespace ${namespace}`, paths.length, PATHS_OF_NAMESPACE_MAX],
    [`backends of namespace ${namespace}`, backends.length, BACKENDS_OF_NAMESPACE_MAX],
    [`${rules} of namespace ${namespace}`, lines, CONDITION_LINES_OF_NAMESPACE_MAX],
    [`${rules} at port ${port} of ${keyOf(gateway)}`, lines, CONDITION_LINES_MAX],
  ] as const;
  const sums = counts.map(([key, more, most]) => [key, (used.get(key) ?? 0) + more, most] as const);
  const excess = sums.find(([, sum, most]) => sum > most);
  if (excess) return excess[0];
  for (const [key, sum] of sums) used.set(key, sum);
  return undefined;
}

function isParent(parent: ParentReference, route: Route, { metadata }: Gateway): boolean {
  const { group = GROUP, kind = "Gateway", namespace = route.metadata.namespace, name } = parent;
  return group === GROUP && kind === "Gateway" && metadata.name === name &&
    metadata.namespace === namespace;
}

interface Attachment {
  readonly findings: readonly Finding[];
  readonly listeners: readonly {
    readonly listener: PlannedListener; readonly hosts: readonly (string | undefined)[];
  }[];
}

/** The listeners that a route is attached to by one of its parents, or why there is none. */
function attach(
  route: Route, { sectionName, port }: ParentReference,
  { gateway, listeners }: { gateway: Gateway; listeners: readonly PlannedListener[] },
  input: GatewayInput,
): Attachment {
  const refuse = (reason: string, message: string) =>
    ({ findings: [finding("Accepted", reason, message)], listeners: [] });
  const named = listeners.filter(({ listener }) =>
    (sectionName === undefined || listener.name === sectionName) &&
    (port === undefined || listener.port === port));
  if (named.length === 0) return refuse("NoMatchingParent", "the Gateway has no such listener");
  const allowed = named.filter((one) => isAllowed(route, one, gateway, input));
  if (allowed.length === 0) return refuse("NotAllowedByListeners", "no listener allows the route");
  const { hostnames = [] } = route.spec;
  const fitting = allowed.flatMap((listener) => {
    const hosts = (hostnames.length === 0 ? [undefined] : hostnames).flatMap((host) => {
      const both = intersect(listener.listener.hostname, host);
      return both === null ? [] : [both];
    });
    return hosts.length > 0 ? [{ listener, hosts }] : [];
  });
  if (fitting.length === 0) {
    return refuse("NoMatchingListenerHostname", "no listener has the route's host names");
  }
  return { findings: [], listeners: fitting };
}

function isAllowed(
  route: Route, { listener, kinds }: PlannedListener, gateway: Gateway, input: GatewayInput,
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
    gateway, port, sites: new Map<string, Placed[]>(),
    listeners: listeners.filter(({ listener }) => listener.port === port),
  }));
}

function place(port: Port, host = "", paths: readonly PathRule[], route: number): void {
  const placed = port.sites.get(host) ?? [];
  for (const rule of paths) placed.push({ rule, route });
  port.sites.set(host, placed);
}

/** Orders rules of one path: those with a method, more headers, more parameters, the older. */
function byPrecedence(a: Placed, b: Placed): number {
  const count = ({ rule }: Placed, on: string) =>
    rule.conditions.filter((each) => each.on === on).length;
  for (const on of ["method", "header", "query"]) {
    const difference = count(b, on) - count(a, on);
    if (difference !== 0) return difference;
  }
  return a.route - b.route;
}

function frontendOf(port: Port, input: GatewayInput): Frontend | undefined {
  const own = input.portOf(port.gateway, port.port);
  const programmed = port.listeners.filter(({ isProgrammed }) => isProgrammed);
  const [first] = programmed;
  if (own === undefined || !first) return undefined;
  const sites = [...port.sites].map(([host, placed]): Site =>
    ({ host: hostOf(host), paths: placed.toSorted(byPrecedence).map(({ rule }) => rule) }));
  const name = `gateway-${own}`;
  if (first.listener.protocol === "HTTP") {
    return { name, port: own, certificates: undefined, sites };
  }
  const certificates = programmed.flatMap(({ listener, pair }): Certificate[] => {
    const hosts = listener.hostname ? [listener.hostname] : [];
    return pair ? [{ id: pair.id, pem: pair.pem, hosts }] : [];
  }).sort((a, b) => a.hosts.length - b.hosts.length);
  const isStrict = certificates[0]?.hosts.length !== 0;
  return { name, port: own, certificates, isStrict, sites };
}

function hostOf(host: string): HostMatch {
  if (host === "") return { kind: "any" };
  if (host.startsWith("*.")) return { kind: "suffix", suffix: host.slice(1) };
  return { kind: "exact", host };
}
