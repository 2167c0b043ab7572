import type { Namespace } from "@raft2kube/api/gen/core/v1.ts";
import { matchesSelector } from "@raft2kube/api/selector.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import {
  BACKENDS_OF_NAMESPACE_MAX,
  CERTIFICATE_BYTES_OF_NAMESPACE_MAX,
  CERTIFICATES_OF_NAMESPACE_MAX,
  COMPARED_OF_NAMESPACE_MAX,
  CONDITION_LINES_MAX,
  CONDITION_LINES_OF_NAMESPACE_MAX,
  PATHS_OF_NAMESPACE_MAX,
  ROUTES_OF_NAMESPACE_BYTES_MAX,
  SERVERS_OF_NAMESPACE_MAX,
} from "../limits.ts";
import { Bounds, serversOf } from "../plan/bounds.ts";
import type { Backend, Certificate, Frontend, PathRule, Plan } from "../plan/model.ts";
import { byAge } from "../plan/owners.ts";
import { type Services, Targets } from "../plan/targets.ts";
import { Grants } from "./grants.ts";
import {
  type Finding,
  finding,
  firstOfType,
  type ListenerInput,
  type PlannedListener,
  planListeners,
} from "./listeners.ts";
import { planRules, type RuleInput, sizeOf } from "./rules.ts";
import {
  type Gateway,
  GROUP,
  type ParentReference,
  type ReferenceGrant,
  type Route,
} from "./types.ts";

export interface GatewayInput extends Omit<ListenerInput, "grants"> {
  readonly grants: readonly ReferenceGrant[];
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

/** A Gateway that routes are attached to. */
type Attachable = { readonly gateway: Gateway; readonly listeners: readonly PlannedListener[] };

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
  const planner = new Planner(input);
  for (const route of input.routes.toSorted(byAge)) planner.add(route);
  return planner.result();
}

class Planner {
  readonly #input: GatewayInput;
  readonly #rules: Omit<RuleInput, "listener">;
  readonly #backends = new Map<string, Backend>();
  readonly #bounds = new Bounds();
  /** Counts routes that are attached to nothing, which are planned for their findings. */
  readonly #unattached = new Bounds();
  readonly #parents: PlannedParent[] = [];
  readonly #attached = new Map<PlannedListener, number>();
  readonly #gateways: ReadonlyMap<string, Attachable>;
  readonly #ports: readonly Port[];
  readonly #portOf: ReadonlyMap<PlannedListener, Port>;
  readonly #selected: Selected = new Map();

  constructor(input: GatewayInput) {
    this.#input = input;
    const grants = new Grants(input.grants);
    this.#rules = { targets: new Targets(input.services), grants };
    const planned = input.gateways.map((gateway) => {
      const listeners = planListeners(gateway, { ...input, grants });
      return { gateway, listeners: listeners.map((each) => this.#certified(gateway, each)) };
    });
    this.#gateways = new Map(planned.map((each) => [keyOf(each.gateway), each]));
    this.#ports = planned.flatMap(({ gateway, listeners }) => portsOf(gateway, listeners));
    this.#portOf = new Map(
      this.#ports.flatMap((port) => port.listeners.map((each) => [each, port] as const)),
    );
  }

  add(route: Route): void {
    for (const parent of route.spec.parentRefs ?? []) {
      const found = this.#gateways.get(parentKey(parent, route) ?? "");
      if (!found) continue;
      const findings = this.#findings(route, parent, found);
      this.#parents.push({ route, parent, findings: firstOfType(findings) });
    }
  }

  result(): GatewayPlan {
    return {
      frontends: this.#ports.flatMap((port) => frontendOf(port, this.#input)),
      backends: this.#backends,
      gateways: [...this.#gateways.values()].map(({ gateway, listeners }) => ({
        gateway,
        listeners: listeners.map((each) => ({ ...each, attached: this.#attached.get(each) ?? 0 })),
      })),
      parents: this.#parents,
    };
  }

  /** Attaches a route to a Gateway's listeners; returns what is not true of it. */
  #findings(route: Route, parent: ParentReference, found: Attachable): readonly Finding[] {
    const what = `listeners compared with routes of namespace ${route.metadata.namespace}`;
    const excess = this.#bounds.take([what, found.listeners.length, COMPARED_OF_NAMESPACE_MAX]);
    if (excess !== undefined) return [tooMany(excess)];
    const { findings, listeners } = attach(route, parent, found, this.#input, this.#selected);
    if (listeners.length > 0) return listeners.flatMap((each) => this.#serve(route, each));
    if (this.#unattached.take(...amountsOf(route, 1)) !== undefined) return findings;
    const judged = planRules(route, { ...this.#rules, listener: UNATTACHED }).findings;
    return [...findings, ...judged.filter(({ type }) => type === "ResolvedRefs")];
  }

  /** Serves a route at a listener; returns what is not true of it. */
  #serve(route: Route, { listener, hosts }: Attachment): readonly Finding[] {
    this.#attached.set(listener, (this.#attached.get(listener) ?? 0) + 1);
    const port = this.#portOf.get(listener)!;
    // Before it is planned: that is work, too.
    const excess = this.#bounds.take(...amountsOf(route, hosts.length));
    if (excess !== undefined) return [tooMany(excess)];
    const rules = planRules(route, { ...this.#rules, listener: listener.listener });
    const isRefused = rules.findings.some(({ type }) => type === "Accepted");
    if (isRefused || !listener.isProgrammed) return rules.findings;
    const servers = rules.backends.flatMap(({ targets }) => targets.map(serversOf));
    // The port's bound is others' too: only what is served counts.
    const full = this.#bounds.take(
      [
        `servers of namespace ${route.metadata.namespace}`,
        servers.reduce((all, each) => all + each, 0),
        SERVERS_OF_NAMESPACE_MAX,
      ],
      [
        `rules with conditions at port ${port.port} of ${keyOf(port.gateway)}`,
        sizeOf(route).conditional * hosts.length,
        CONDITION_LINES_MAX,
      ],
    );
    if (full !== undefined) return [...rules.findings, tooMany(full)];
    for (const backend of rules.backends) this.#backends.set(backend.name, backend);
    for (const host of hosts.filter((each) => !isIsolated(each, listener, port))) {
      const known = port.sites.get(host) ?? [];
      port.sites.set(host, known);
      for (const path of rules.paths) known.push(path);
    }
    return rules.findings;
  }

  /** A listener, without its certificate where its namespace has too many. */
  #certified({ metadata }: Gateway, listener: PlannedListener): PlannedListener {
    const { pair } = listener;
    if (!pair) return listener;
    const own = `certificates of namespace ${metadata.namespace}`;
    const full = this.#bounds.take(
      [own, 1, CERTIFICATES_OF_NAMESPACE_MAX],
      [`bytes of ${own}`, pair.pem.length, CERTIFICATE_BYTES_OF_NAMESPACE_MAX],
    );
    if (full === undefined) return listener;
    const others = listener.findings.filter(({ type }) => type !== "Programmed");
    const findings = [...others, finding("Programmed", "Invalid", `too many ${full}`)];
    return { ...listener, pair: undefined, isProgrammed: false, findings };
  }
}

const tooMany = (what: string) => finding("Accepted", "TooMany", `there are too many ${what}`);

/** Lists the amounts that a route takes of its namespace's bounds. */
function amountsOf(route: Route, hosts: number) {
  const { matches, conditional, backendBytes, pathBytes } = sizeOf(route);
  const own = `of namespace ${route.metadata.namespace}`;
  return [
    [`paths ${own}`, matches * hosts, PATHS_OF_NAMESPACE_MAX],
    [`backends ${own}`, matches, BACKENDS_OF_NAMESPACE_MAX],
    [`rules with conditions ${own}`, conditional * hosts, CONDITION_LINES_OF_NAMESPACE_MAX],
    [`bytes of routes ${own}`, backendBytes + pathBytes * hosts, ROUTES_OF_NAMESPACE_BYTES_MAX],
  ] as const;
}

/** The key of the Gateway that a route names. */
function parentKey(parent: ParentReference, route: Route): string | undefined {
  const { group = GROUP, kind = "Gateway", namespace = route.metadata.namespace, name } = parent;
  return group === GROUP && kind === "Gateway" ? `${namespace}/${name}` : undefined;
}

/** The namespaces that a listener's selector was compared with: there are many routes of each. */
type Selected = Map<PlannedListener, Map<string, boolean>>;

type Attachment = { readonly listener: PlannedListener; readonly hosts: readonly string[] };

/** The listeners that a route is attached to by one of its parents, or why there is none. */
function attach(
  route: Route,
  { sectionName, port }: ParentReference,
  { gateway, listeners }: Attachable,
  input: GatewayInput,
  selected: Selected,
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
  const allowed = named.filter((one) => isAllowed(route, one, gateway, input, selected));
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

const hostOf = ({ listener }: PlannedListener) => listener.hostname ?? "";

/**
 * Whether requests for a host, or for all that a wildcard covers, are those of a listener of the
 * port with a narrower host name: one that admits routes of all namespaces would otherwise have
 * them answer for the hosts of another (Gateway API, "Listener Isolation").
 */
function isIsolated(host: string, own: PlannedListener, { listeners }: Port): boolean {
  return listeners.some((other) => {
    const [wide, narrow] = [hostOf(own), hostOf(other)];
    return wide !== narrow && covers(wide, narrow) && covers(narrow, host);
  });
}

function isAllowed(
  route: Route,
  planned: PlannedListener,
  gateway: Gateway,
  input: GatewayInput,
  selected: Selected,
): boolean {
  if (!planned.kinds.includes(route.kind)) return false;
  const { from = "Same", selector } = planned.listener.allowedRoutes?.namespaces ?? {};
  const { namespace = "" } = route.metadata;
  if (from === "All") return true;
  if (from === "Same") return namespace === gateway.metadata.namespace;
  if (from !== "Selector") return false;
  const known = selected.get(planned) ?? new Map<string, boolean>();
  selected.set(planned, known);
  const labels = () => input.namespace(namespace)?.metadata.labels ?? {};
  const matches = known.get(namespace) ?? matchesSelector(selector, labels());
  known.set(namespace, matches);
  return matches;
}

function portsOf(gateway: Gateway, listeners: readonly PlannedListener[]): Port[] {
  const numbers = [...new Set(listeners.map(({ listener }) => listener.port))];
  return numbers.map((port): Port => {
    const own = listeners.filter(({ listener }) => listener.port === port);
    // Also without a route: requests for its host come to no listener with a wider name.
    const sites = new Map(own.flatMap((one) => (hostOf(one) === "" ? [] : [[hostOf(one), []]])));
    return { gateway, port, sites, listeners: own };
  });
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
