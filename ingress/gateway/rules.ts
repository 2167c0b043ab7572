import { digest } from "@raft2kube/std/digest.ts";
import { given } from "@raft2kube/std/given.ts";
import { goDuration_ms } from "@raft2kube/std/go-values.ts";
import { ANSWER_MS_MAX } from "../limits.ts";
import { isPath } from "../plan/annotations.ts";
import type { Backend, Condition, Filter, PathRule, Target } from "../plan/model.ts";
import type { Targets } from "../plan/targets.ts";
import type { Grants } from "./grants.ts";
import { type Finding, finding, firstOfType } from "./listeners.ts";
import type {
  BackendReference,
  HeaderModifier,
  NamedValue,
  PathModifier,
  Route,
  RouteFilter,
  RouteMatch,
  RouteRule,
} from "./types.ts";

/** A route's rules as paths and backends, before they are placed at hosts. */
export interface PlannedRules {
  readonly paths: readonly PathRule[];
  readonly backends: readonly Backend[];
  /** Conditions that are false: Accepted or ResolvedRefs. */
  readonly findings: readonly Finding[];
}

export interface RuleInput {
  readonly targets: Targets;
  readonly grants: Grants;
  /** The port of the listener, for redirects that name none. */
  readonly listener: { readonly port: number; readonly protocol: string };
}

/** Plans a route's rules; a value that is not served makes the whole route refused. Pure. */
export function planRules(route: Route, input: RuleInput): PlannedRules {
  const findings: Finding[] = [];
  const paths: PathRule[] = [];
  const backends: Backend[] = [];
  for (const rule of route.spec.rules ?? []) {
    const targets = (rule.backendRefs ?? []).map((reference): Target => {
      const found = resolve(route, reference, input);
      if ("problem" in found) findings.push(found.problem);
      const target = "problem" in found ? { endpoints: undefined, isHttp2: false } : found;
      return { weight: reference.weight ?? 1, ...target };
    });
    for (const match of rule.matches ?? [{}]) {
      const place = placeOf(match);
      const filters = place && filtersOf(rule, place, input);
      if (!place || !filters) {
        findings.push(finding("Accepted", "UnsupportedValue", "a match or a filter is not served"));
        continue;
      }
      const backend = backendOf(route, { targets, filters }, rule);
      backends.push(backend);
      paths.push({ ...place, backend: backend.name });
    }
  }
  return { paths, backends, findings: firstOfType(findings) };
}

/** Sizes of a route that count at each listener. */
export interface RouteSize {
  readonly matches: number;
  /** The number of matches that compare more than a path. */
  readonly conditional: number;
  readonly backendBytes: number;
  /** The number of bytes that count for each host. */
  readonly pathBytes: number;
}

/** haproxy keeps each `%` of a text that it formats as a piece of its own, of so many bytes. */
const PERCENT_BYTES = 84;
const bytesInProxy = (text: string) => text.length + PERCENT_BYTES * (text.split("%").length - 1);

const sizes = new WeakMap<Route, RouteSize>();

export function sizeOf(route: Route): RouteSize {
  const known = sizes.get(route);
  if (known) return known;
  const rules = (route.spec.rules ?? []).map(({ matches = [{}], ...rest }): RouteSize => {
    const conditional = matches.filter(
      ({ method, headers = [], queryParams = [] }) =>
        typeof method === "string" || headers.length + queryParams.length > 0,
    );
    return {
      matches: matches.length,
      conditional: conditional.length,
      backendBytes: bytesInProxy(JSON.stringify(rest)) * matches.length,
      pathBytes: JSON.stringify(matches).length,
    };
  });
  const sum = (of: keyof RouteSize) => rules.reduce((all, rule) => all + rule[of], 0);
  const size: RouteSize = {
    matches: sum("matches"),
    conditional: sum("conditional"),
    backendBytes: sum("backendBytes"),
    pathBytes: sum("pathBytes"),
  };
  sizes.set(route, size);
  return size;
}

type Place = Pick<PathRule, "kind" | "path" | "conditions">;

/** The place in which a match holds; undefined if a part of it is not served. */
function placeOf({ path, method, headers = [], queryParams = [] }: RouteMatch): Place | undefined {
  const where = typeof method === "object" ? grpcPath(method) : httpPath(path);
  if (!where || ![...headers, ...queryParams].every(isExact)) return undefined;
  const conditions: Condition[] = [];
  if (typeof method === "string") conditions.push({ on: "method", value: method });
  for (const { name, value } of headers) {
    conditions.push({ on: "header", name: name.toLowerCase(), value });
  }
  for (const { name, value } of queryParams) conditions.push({ on: "query", name, value });
  return { ...where, conditions };
}

/** Names are arguments of haproxy's fetches, values its words: others are refused. */
const isExact = ({ type = "Exact", name, value }: NamedValue) =>
  type === "Exact" && /^[\w.-]{1,256}$/.test(name) && /^[\x20-\x7e]*$/.test(value);

function httpPath({ type = "PathPrefix", value = "/" }: NonNullable<RouteMatch["path"]> = {}) {
  if (!isPath(value)) return undefined;
  if (type === "Exact") return { kind: "exact", path: value } as const;
  if (type !== "PathPrefix") return undefined;
  return { kind: "prefix", path: value.endsWith("/") ? value.slice(0, -1) : value } as const;
}

function grpcPath(method: Exclude<RouteMatch["method"], string | undefined>) {
  const { type = "Exact", service, method: name } = method;
  if (type !== "Exact" || service === undefined) return undefined;
  const path = name === undefined ? `/${service}` : `/${service}/${name}`;
  if (!isPath(path)) return undefined;
  return { kind: name === undefined ? "prefix" : "exact", path } as const;
}

function resolve(
  route: Route,
  reference: BackendReference,
  { targets, grants }: RuleInput,
): Omit<Target, "weight"> | { problem: Finding } {
  const refuse = (reason: string, message: string) => ({
    problem: finding("ResolvedRefs", reason, message),
  });
  const own = route.metadata.namespace ?? "";
  const { group = "", kind = "Service", namespace = own, name, port = 0 } = reference;
  if (group !== "" || kind !== "Service") return refuse("InvalidKind", `${kind} is not a Service`);
  const from = { kind: route.kind, namespace: own };
  if (!grants.allow(from, { group, kind, namespace, name })) {
    return refuse("RefNotPermitted", `no ReferenceGrant allows ${namespace}/${name}`);
  }
  const found = targets.of(`${namespace}/${name}`, port);
  if ("problem" in found) {
    return refuse(found.isMissing ? "BackendNotFound" : "UnsupportedProtocol", found.problem);
  }
  return { ...found, isHttp2: found.isHttp2 || route.kind === "GRPCRoute" };
}

function filtersOf(rule: RouteRule, place: Place, input: RuleInput): Filter[] | undefined {
  if ((rule.backendRefs ?? []).some(({ filters = [] }) => filters.length > 0)) return undefined;
  const all: Filter[] = [];
  for (const filter of rule.filters ?? []) {
    const some = filterOf(filter, place, input);
    if (!some) return undefined;
    all.push(...some);
  }
  return all;
}

function filterOf(filter: RouteFilter, place: Place, input: RuleInput): Filter[] | undefined {
  switch (filter.type) {
    case "RequestHeaderModifier":
      return modified("request", filter.requestHeaderModifier);
    case "ResponseHeaderModifier":
      return modified("response", filter.responseHeaderModifier);
    case "URLRewrite": {
      const { hostname, path } = filter.urlRewrite ?? {};
      const host: Filter[] = hostname === undefined ? [] : [{ kind: "host", value: hostname }];
      return pathFilter(path, place)?.concat(host);
    }
    case "RequestRedirect": {
      const {
        scheme,
        hostname: host,
        port,
        path,
        statusCode: code = 302,
      } = filter.requestRedirect ?? {};
      const { listener } = input;
      const own = listener.protocol === "HTTPS" ? "https" : "http";
      const usual = (scheme ?? own) === "https" ? 443 : 80;
      const wanted = port ?? (scheme === undefined ? listener.port : usual);
      return pathFilter(path, place)?.concat({
        kind: "redirect",
        scheme: scheme ?? own,
        host,
        code,
        port: wanted === usual ? undefined : wanted,
      });
    }
    default:
      return undefined;
  }
}

/**
 * Headers that say where a message ends, or belong to one connection (RFC 9110, section 7.6.1): one
 * route's would cut the messages of others on it.
 */
const OF_THE_CONNECTION: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

function modified(of: "request" | "response", modifier: HeaderModifier = {}): Filter[] | undefined {
  const { set = [], add = [], remove = [] } = modifier;
  const values = [...set, ...add].map(({ value }) => value);
  const names = [...remove, ...[...set, ...add].map(({ name }) => name)];
  if (!values.every((value) => /^[\x20-\x7e]+$/.test(value))) return undefined;
  // The API's schema leaves those to remove open.
  if (!names.every((name) => /^[\x21-\x7e]{1,256}$/.test(name))) return undefined;
  if (names.some((name) => OF_THE_CONNECTION.has(name.toLowerCase()))) return undefined;
  return [
    ...set.map((one): Filter => ({ kind: "set", of, ...one })),
    ...add.map((one): Filter => ({ kind: "add", of, ...one })),
    ...remove.map((name): Filter => ({ kind: "remove", of, name })),
  ];
}

/** Returns undefined for what is not served. */
function pathFilter(modifier: PathModifier | undefined, { kind, path }: Place) {
  const { replaceFullPath: full, replacePrefixMatch: start } = modifier ?? {};
  const filters: Filter[] = [];
  if (full !== undefined) filters.push({ kind: "path", value: full });
  else if (start !== undefined) filters.push({ kind: "prefix", length: path.length, value: start });
  const isServed = start === undefined || (kind === "prefix" && (start === "" || isPath(start)));
  return isServed && (full === undefined || isPath(full)) ? filters : undefined;
}

/** The backend of a rule's requests; equal ones have the same name. */
function backendOf(
  { metadata: { namespace = "" } }: Route,
  content: Pick<Backend, "targets" | "filters">,
  { backendRefs, timeouts }: RouteRule,
): Backend {
  const asked_ms = goDuration_ms(timeouts?.request ?? timeouts?.backendRequest ?? "0") ?? 0;
  // Zero is none (GEP-2257).
  const timeout_ms = asked_ms === 0 ? undefined : Math.min(asked_ms, ANSWER_MS_MAX);
  // An HTTPRoute and a GRPCRoute may name the same Service, and speak another protocol to it.
  const protocols = content.targets.map(({ isHttp2 }) => isHttp2);
  const name = digest(JSON.stringify([backendRefs, content.filters, timeout_ms, protocols]));
  return { name: `gateway:${namespace}:${name}`, namespace, ...content, ...given({ timeout_ms }) };
}
