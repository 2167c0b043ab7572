import type { Agent } from "node:https";
import { noSuchResource } from "@raft2kube/apimachinery/errors/catalog.ts";
import { socketOf } from "../../authn/client-certificate.ts";
import { headerOf, type Incoming, type RequestContext } from "../../request/context.ts";
import type { ApiServer } from "../server.ts";
import { forward } from "./forward.ts";
import { tunnel } from "./tunnel.ts";

/** The target of a request to `/proxy`. */
export interface ProxyPlace {
  readonly host: string;
  readonly port: number;
  /** Agent for TLS backends. */
  readonly agent: Agent | undefined;
}

/**
 * Passes a request below `/proxy` to its backend unchanged: its path, query, headers and body, or
 * the connection itself when it asks for another protocol. Redirects that lead to where the backend
 * is are turned back to here, and so are the links of its pages.
 */
export async function passThrough(
  server: Pick<ApiServer, "closing">,
  context: RequestContext,
  place: ProxyPlace,
): Promise<void> {
  const { request, response } = context;
  const { prefix, path, search } = splitPath(request.url ?? "/", context.info.resource);
  const method = request.method ?? "GET";
  // A browser takes what the root page refers to as lying beside it otherwise (upstream).
  if (path === "" && context.upgrade === undefined && (method === "GET" || method === "HEAD")) {
    response.writeHead(301, { location: `${prefix}/${search}`, "audit-id": context.id });
    response.end();
    return;
  }
  const headers = headersFor(request, `${prefix}${path}`);
  const target = { ...place, path: `${path === "" ? "/" : path}${search}` };
  if (context.upgrade !== undefined) return await tunnel(server, context, { ...target, headers });
  const hosts = { backend: `${place.host}:${place.port}`, client: headers["host"] ?? "" };
  const turned = (text: string) => turnedBack(text, prefix, hosts);
  const turns = { location: turned, link: turned };
  await forward(server, context, { ...target, method, headers, body: true, ...turns });
}

/** Number of segments before `/proxy`: `/api/v1/nodes/N`, `/api/v1/namespaces/NS/services/S`. */
const SEGMENTS = { nodes: 4, others: 6 };

/**
 * A target's part up to `/proxy`, what follows it as it was written, and the query. Throws 404 for
 * a target that has no `/proxy` in its place, as below the deprecated `/api/v1/watch/`.
 */
export function splitPath(
  target: string,
  resource: string,
): { prefix: string; path: string; search: string } {
  const count = resource === "nodes" ? SEGMENTS.nodes : SEGMENTS.others;
  const form = new RegExp(`^((?:/+[^/?]+){${count}}/+proxy)(/[^?]*)?(\\?.*)?$`);
  const parts = form.exec(target);
  if (parts === null) throw noSuchResource();
  const [, prefix = "", path = "", search = ""] = parts;
  return { prefix, path, search };
}

/** Headers of the connection and of authentication, which are not forwarded. */
const OURS = new Set([
  "authorization",
  "connection",
  "expect",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  // A token may be among them; a tunnel sends the others.
  "sec-websocket-protocol",
]);

/** The name of a header as programs read it that take `_` and `-` for the same (CGI). */
export const dashed = (name: string): string => name.replaceAll("_", "-");

const isOurs = (name: string): boolean =>
  OURS.has(dashed(name)) || /^(:|impersonate-|x-remote-)/.test(dashed(name));

/** Headers of a client that a backend gets: without credentials and those of the connection. */
export function headersFor(request: Incoming, uri: string): Record<string, string> {
  const named = headerOf(request, "connection")
    .toLowerCase()
    .split(",")
    .map((each) => each.trim());
  const headers: Record<string, string> = {};
  for (const name of Object.keys(request.headers)) {
    if (!isOurs(name) && !named.includes(name)) headers[name] = headerOf(request, name);
  }
  // HTTP/2 has the host among its pseudo headers.
  headers["host"] ??= headerOf(request, ":authority");
  const peer = socketOf(request).remoteAddress ?? "";
  const before = headerOf(request, "x-forwarded-for");
  headers["x-forwarded-for"] = before === "" ? peer : `${before}, ${peer}`;
  headers["x-forwarded-uri"] = uri;
  return headers;
}

/**
 * A redirect as the client must follow it: a path of the backend's lies below `/proxy` for them.
 * One to elsewhere, or relative to the page, stays as it is.
 */
export function turnedBack(
  location: string,
  prefix: string,
  hosts: { backend: string; client: string },
): string {
  const [, origin = "", host = "", path, rest = ""] =
    /^((?:[a-z][a-z0-9+.-]*:)?\/\/([^/?#]*))?(\/[^?#]*)?(.*)$/is.exec(location) ?? [];
  if (path === undefined) return location;
  const known = host === "" || host === hosts.backend || host === hosts.client;
  if (!known) return location;
  const front = host === hosts.client ? origin : "";
  return `${front}${path.startsWith(prefix) ? "" : prefix}${path}${rest}`;
}
