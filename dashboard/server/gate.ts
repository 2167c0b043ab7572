import { timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

/** Headers by which a request is judged, and the place that it was sent to. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly isUpgrade: boolean;
}

/** The refusal of a request. */
export interface Refusal {
  readonly status: 401 | 403;
  readonly why: string;
}

/** The header with the session's secret: no form or link can set it. */
export const SESSION_HEADER = "x-r2k-dashboard";
/** A WebSocket of a browser has no headers of its own; it offers the secret as a protocol. */
export const SESSION_PROTOCOL = "r2k.session.";

/**
 * Judges a request before anything is read of it. The name in Host must be loopback's (a foreign
 * name that leads here is DNS rebinding), and a request that another site caused is refused. The
 * page's files are everyone's; all else needs the session, which no cookie carries: the browser
 * would send it to the ports of pods on the same address.
 */
export function judge(asked: Asked, port: number, session: string): Refusal | undefined {
  const { headers, path } = asked;
  const host = headers.host ?? "";
  if (host !== `127.0.0.1:${port}` && host !== `localhost:${port}`) {
    return { status: 403, why: "this name is not the dashboard's" };
  }
  const { origin } = headers;
  if (origin !== undefined && origin !== `http://${host}`) {
    return { status: 403, why: "this request comes from another site" };
  }
  const site = headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin" && !(path === "/" && site === "none")) {
    return { status: 403, why: "this request comes from another site" };
  }
  if (asked.isUpgrade && origin === undefined) {
    return { status: 403, why: "a stream needs an Origin" };
  }
  const isPage = !path.startsWith("/kube/") && !path.startsWith("/forwards");
  if (isPage && !asked.isUpgrade) return undefined;
  const given = asked.isUpgrade ? offered(headers) : headers[SESSION_HEADER];
  if (typeof given === "string" && isSame(given, session)) return undefined;
  return { status: 401, why: "this browser has no session: open the link of `r2k dashboard`" };
}

function offered(headers: IncomingHttpHeaders): string | undefined {
  const protocols = (headers["sec-websocket-protocol"] ?? "").split(/, */);
  return protocols.find((each) => each.startsWith(SESSION_PROTOCOL))
    ?.slice(SESSION_PROTOCOL.length);
}

/** Compares secrets in a time that does not depend on where they differ. */
export function isSame(given: string, secret: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(secret)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Headers of every answer; the page loads nothing from elsewhere and runs no text. */
export function pageHeaders(nonce: string): Record<string, string> {
  return {
    "content-security-policy": [
      "default-src 'none'", "script-src 'self'", `style-src 'self' 'nonce-${nonce}'`,
      "img-src 'self' data:", "connect-src 'self'", "base-uri 'none'", "form-action 'none'",
      "frame-ancestors 'none'",
    ].join("; "),
    ...SAFE_HEADERS,
  };
}

/** Answers of the API may be written by pods: none may become a page of this origin. */
export const SAFE_HEADERS: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store",
};
export const SANDBOXED = "sandbox; default-src 'none'; frame-ancestors 'none'";
