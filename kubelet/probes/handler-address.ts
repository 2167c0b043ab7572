import type { Container, HTTPGetAction } from "@raft2kube/api/gen/core/v1.ts";
import type { IntOrString } from "@raft2kube/api/scalars.ts";
import { PROBE_HEADERS_MAX, PROBE_REQUEST_LENGTH_MAX } from "../limits.ts";

/** A probe or hook that cannot be run: for its port, its headers, or a pod without an address. */
export class HandlerError extends Error {
  override readonly name = "HandlerError";
}

/** Returns the port's number; a name is looked up in the container's ports. */
export function portOf(port: IntOrString | undefined, container: Container): number {
  const number =
    typeof port === "string" && !/^[0-9]+$/.test(port)
      ? container.ports?.find((one) => one.name === port)?.containerPort
      : Number(port);
  if (number === undefined || !(number > 0 && number < 65_536)) {
    throw new HandlerError(`container ${container.name} has no port ${port}`);
  }
  return number;
}

/**
 * Returns the host that a handler asks: the one it names, or the pod's address. A pod has none
 * while its sandbox is down, which it can end itself; an empty host would be this machine's
 * loopback.
 */
export function hostOf(named: string | undefined, podIP: string): string {
  const host = named || podIP;
  if (host === "") throw new HandlerError("the pod has no address");
  return host;
}

export interface HttpTarget {
  scheme: "http" | "https";
  host: string;
  port: number;
  path: string;
  headers: [string, string][];
}

/** Returns the target of an httpGet: the pod's address unless the action names a host. */
export function httpTarget(action: HTTPGetAction, container: Container, podIP: string): HttpTarget {
  const { path = "", httpHeaders = [] } = action;
  if (httpHeaders.length > PROBE_HEADERS_MAX) {
    throw new HandlerError(`more than ${PROBE_HEADERS_MAX} headers for ${container.name}`);
  }
  requireShort([path, ...httpHeaders.flatMap(({ name, value }) => [name, value])], container);
  return {
    scheme: action.scheme === "HTTPS" ? "https" : "http",
    host: hostOf(action.host, podIP),
    port: portOf(action.port, container),
    path: encoded(path.startsWith("/") ? path : `/${path}`),
    headers: httpHeaders.map(({ name, value }) => [name, value]),
  };
}

/** Throws HandlerError if texts of a request or command exceed PROBE_REQUEST_LENGTH_MAX. */
export function requireShort(texts: readonly string[], { name }: Container): void {
  if (texts.reduce((sum, { length }) => sum + length, 0) <= PROBE_REQUEST_LENGTH_MAX) return;
  throw new HandlerError(
    `a request or command of more than ${PROBE_REQUEST_LENGTH_MAX} characters for ${name}`,
  );
}

/** Returns a path with the characters escaped that no request may have. */
const encoded = (path: string): string => path.toWellFormed().replace(/[^!-~]+/gu, encodeURI);
