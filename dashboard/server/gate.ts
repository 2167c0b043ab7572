import type { IncomingHttpHeaders } from "node:http";
import type { Access, Session } from "./access.ts";

/** Headers by which a request is judged, and the place that it was sent to. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly isUpgrade: boolean;
}

/** The refusal of a request. */
export type Refusal = { readonly status: 401 | 403; readonly why: string };

/** The header with the session's secret: no form or link can set it. */
export const SESSION_HEADER = "x-r2k-dashboard";
/** A WebSocket of a browser has no headers of its own; it offers the secret as a protocol. */
export const SESSION_PROTOCOL = "r2k.session.";

/**
 * Judges a request before anything is read of it. A Host that is not the server's is DNS rebinding,
 * and a request that another site caused is refused, but for opening the page. The page's files are
 * everyone's; all else needs the session, which no cookie carries: the browser would send it to
 * other ports of the same address, among them those that lead to pods.
 */
export async function judge(
  asked: Asked,
  access: Access,
  port: number,
): Promise<Refusal | { readonly session: Session | undefined }> {
  const { headers, path } = asked;
  const host = headers.host ?? "";
  if (!access.isOwnName(host, port)) {
    return { status: 403, why: "this name is not the dashboard's" };
  }
  const { origin } = headers;
  if (origin !== undefined && origin.replace(/^https?:\/\//, "") !== host) {
    return { status: 403, why: "this request comes from another site" };
  }
  const site = headers["sec-fetch-site"];
  const opens = path === "/" && (site === "none" || headers["sec-fetch-dest"] === "document");
  if (site !== undefined && site !== "same-origin" && !opens) {
    return { status: 403, why: "this request comes from another site" };
  }
  if (asked.isUpgrade && origin === undefined) {
    return { status: 403, why: "a stream needs an Origin" };
  }
  const isPage = !path.startsWith("/kube/") && !path.startsWith("/forwards");
  if (isPage && !asked.isUpgrade) return { session: undefined };
  const given = asked.isUpgrade ? offered(headers) : headers[SESSION_HEADER];
  const session = typeof given === "string" ? await access.sessionOf(given) : undefined;
  if (session) return { session };
  return { status: 401, why: `this browser has no session: ${access.remedy}` };
}

function offered(headers: IncomingHttpHeaders): string | undefined {
  const protocols = (headers["sec-websocket-protocol"] ?? "").split(/, */);
  return protocols
    .find((each) => each.startsWith(SESSION_PROTOCOL))
    ?.slice(SESSION_PROTOCOL.length);
}

/** Headers of every answer; the page loads nothing from elsewhere and runs no text. */
export function pageHeaders(nonce: string): Record<string, string> {
  return {
    "content-security-policy": [
      "default-src 'none'",
      "script-src 'self'",
      `style-src 'self' 'nonce-${nonce}'`,
      "img-src 'self' data:",
      "connect-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
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
