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

/** The header that the page's own requests carry: no form and no link can set it. */
export const OWN_HEADER = "x-r2k-dashboard";
export const cookieName = (port: number): string => `r2k-dashboard-${port}`;

/**
 * Judges a request before anything is read of it. The name in Host must be loopback's (a foreign
 * name that leads here is DNS rebinding), and a request that another site caused is refused, even
 * with the cookie. Only the link of the terminal gets through without a cookie.
 */
export function judge(asked: Asked, port: number, session: string): Refusal | undefined {
  const { headers, path } = asked;
  const hosts = [`127.0.0.1:${port}`, `localhost:${port}`];
  const host = headers.host ?? "";
  if (!hosts.includes(host)) return { status: 403, why: "this name is not the dashboard's" };
  const { origin } = headers;
  if (origin !== undefined && origin !== `http://${host}`) {
    return { status: 403, why: "this request comes from another site" };
  }
  const site = headers["sec-fetch-site"];
  const isPage = path === "/" || path === "/login";
  if (site !== undefined && site !== "same-origin" && !(isPage && site === "none")) {
    return { status: 403, why: "this request comes from another site" };
  }
  if (path === "/login") return undefined;
  const cookie = cookieOf(headers.cookie, cookieName(port));
  if (cookie === undefined || !isSame(cookie, session)) {
    return { status: 401, why: "this browser has no session: open the link of `r2k dashboard`" };
  }
  if (asked.isUpgrade) {
    return origin === undefined ? { status: 403, why: "a stream needs an Origin" } : undefined;
  }
  const isAnswer = path.startsWith("/kube/") || path.startsWith("/forwards");
  if (isAnswer && headers[OWN_HEADER] === undefined) {
    return { status: 403, why: `only the page may ask this (${OWN_HEADER})` };
  }
  return undefined;
}

function cookieOf(header: string | undefined, name: string): string | undefined {
  for (const part of (header ?? "").split(/; */)) {
    if (part.startsWith(`${name}=`)) return part.slice(name.length + 1);
  }
  return undefined;
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
