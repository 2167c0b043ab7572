import { parseDuration } from "@raft2kube/api/duration.ts";
import { valueAsked } from "@raft2kube/api/selector.ts";
import { badRequest, noSuchResource } from "@raft2kube/apimachinery/errors/catalog.ts";
import { own } from "@raft2kube/std/own.ts";
import { withoutEnd } from "@raft2kube/std/text.ts";
import { REQUEST_TIMEOUT_MS } from "../limits.ts";

/** A request's target, read from its method, path and query (upstream's RequestInfo). */
export interface RequestInfo {
  /** Whether the path names a resource of the API rather than, say, `/healthz`. */
  resourceRequest: boolean;
  path: string;
  /**
   * get, list, watch, create, update, patch, delete, deletecollection, or the method in lower case.
   */
  verb: string;
  group: string;
  version: string;
  namespace: string;
  resource: string;
  subresource: string;
  name: string;
  /** The path segments after the subresource, e.g. of a proxy. */
  rest: string[];
}

const VERBS: Readonly<Record<string, string>> = {
  POST: "create",
  GET: "get",
  HEAD: "get",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
};

/** Subresources of a namespace itself, which else would read as resources inside it. */
const NAMESPACE_SUBRESOURCES = new Set(["status", "finalize"]);

/** Slashes at both ends are passed over; two that follow each other have a nameless one between. */
function segmentsOf(path: string): string[] {
  const inner = withoutEnd(path.replace(/^\/+/, ""), "/");
  return inner === "" ? [] : inner.split("/").map(decodeURIComponent);
}

/**
 * Throws 400 or 404 on a segment that would leave its place (`.`, `..`, an encoded slash), and a
 * URIError on an escape that is none.
 */
export function parseRequestInfo(
  method: string,
  path: string,
  query: URLSearchParams,
): RequestInfo {
  const info: RequestInfo = {
    resourceRequest: false,
    path,
    verb: method.toLowerCase(),
    group: "",
    version: "",
    namespace: "",
    resource: "",
    subresource: "",
    name: "",
    rest: [],
  };
  const parts = segmentsOf(path);
  if (parts[0] !== "api" && parts[0] !== "apis") return info;
  const prefix = parts[0] === "api" ? 2 : 3;
  if (parts.length <= prefix) return info;
  if (prefix === 3) info.group = parts[1]!;
  info.version = parts[prefix - 1]!;
  info.verb = own(VERBS, method) ?? method.toLowerCase();
  info.resourceRequest = true;
  placeSegments(info, parts.slice(prefix));
  if (info.verb === "get" && info.name === "") info.verb = "list";
  if (info.verb === "delete" && info.name === "") info.verb = "deletecollection";
  if (info.verb === "list" && isTrue(query.get("watch"))) info.verb = "watch";
  const collection = info.verb === "list" || info.verb === "watch";
  if (collection && info.name === "") nameFromSelector(info, query);
  return info;
}

function placeSegments(info: RequestInfo, segments: string[]): void {
  let parts = segments;
  if (parts[0] === "watch") {
    // The deprecated prefix /api/v1/watch/..., by any method (dispatch.ts accepts GET alone).
    info.verb = "watch";
    parts = parts.slice(1);
  }
  if (parts[0] === "namespaces" && parts.length > 1) {
    info.namespace = parts[1]!;
    checkSegment(info.namespace);
    if (parts.length > 2 && !NAMESPACE_SUBRESOURCES.has(parts[2]!)) parts = parts.slice(2);
  }
  info.resource = parts[0] ?? "";
  info.name = parts[1] ?? "";
  info.subresource = parts[2] ?? "";
  info.rest = parts.slice(3);
  for (const part of [info.resource, info.name, info.subresource]) checkSegment(part);
}

function checkSegment(part: string): void {
  if (part === "." || part === ".." || part.includes("\0")) {
    const shown = JSON.stringify(part);
    const why = part.includes("\0") ? "may not contain NUL" : `may not be '${part}'`;
    throw badRequest(`Name parameter invalid: ${shown}: ${why}`);
  }
  // Upstream takes an encoded slash for a separator: such a path names no resource.
  if (part.includes("/")) throw noSuchResource();
}

/**
 * A list or watch narrowed to one name counts as naming it, so that rules with resourceNames hold.
 */
function nameFromSelector(info: RequestInfo, query: URLSearchParams): void {
  const selector = query.get("fieldSelector");
  if (selector) info.name = valueAsked(selector, "metadata.name") ?? "";
}

/** How upstream reads booleans in a query: present and not "0" or "false". */
export function isTrue(value: string | null): boolean {
  return value !== null && value !== "0" && value.toLowerCase() !== "false";
}

/**
 * A number of 64 bits in a query; one that is not exact here as the nearest that is. Throws 400 in
 * the words of upstream's parser.
 */
export function wholeNumber(text: string): number {
  const value = /^[+-]?\d+$/.test(text) ? BigInt(text) : undefined;
  if (value !== undefined && BigInt.asIntN(64, value) === value) {
    const most = Number.MAX_SAFE_INTEGER;
    return Math.min(Math.max(Number(value), -most), most);
  }
  const why = value === undefined ? "invalid syntax" : "value out of range";
  throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: ${why}`);
}

/**
 * How long a request may take: the time in its query, up to the bound of all. Throws 400 with
 * upstream's message on an invalid duration.
 */
export function timeoutOf(query: URLSearchParams): number {
  const text = query.get("timeout") ?? "";
  if (text === "") return REQUEST_TIMEOUT_MS;
  const nanos = parseDuration(text);
  if (nanos === undefined) {
    const why = `time: invalid duration ${JSON.stringify(text)}`;
    throw badRequest(`invalid timeout specified in the request URL - ${why}`);
  }
  if (nanos <= 0n) return REQUEST_TIMEOUT_MS;
  return Math.min(Number(nanos) / 1_000_000, REQUEST_TIMEOUT_MS);
}
