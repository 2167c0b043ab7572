import type { IncomingMessage } from "node:http";
import { HttpError } from "@raft2kube/client-kube/delegated/http-error.ts";
import type { Access, Session } from "./access.ts";

/** The header with the session's secret: no form or link can set it. */
export const SESSION_HEADER = "x-r2k-dashboard";
/** A WebSocket of a browser has no headers of its own; it offers the secret as a protocol. */
export const SESSION_PROTOCOL = "r2k.session.";

/**
 * Judges a request before anything is read of it. A Host that is not the server's is DNS rebinding,
 * and a request that another site caused is refused, but for opening the page. The page's files are
 * everyone's, for which there is no session; all else needs one, which no cookie carries: the
 * browser would send it to other ports of the same address, among them those that lead to pods.
 * Throws HttpError for a request that is refused.
 */
export async function admit(
  { headers, url }: IncomingMessage,
  isUpgrade: boolean,
  access: Access,
  port: number,
): Promise<Session | undefined> {
  const { host = "", origin } = headers;
  if (!access.isOwnName(host, port)) throw new HttpError(403, "this name is not the dashboard's");
  const site = headers["sec-fetch-site"];
  const path = pathOf({ url });
  const opens = path === "/" && (site === "none" || headers["sec-fetch-dest"] === "document");
  const isForeign =
    (origin !== undefined && origin.replace(/^https?:\/\//, "") !== host) ||
    (site !== undefined && site !== "same-origin" && !opens);
  if (isForeign) throw new HttpError(403, "this request comes from another site");
  if (isUpgrade && origin === undefined) throw new HttpError(403, "a stream needs an Origin");
  const isPage = !path.startsWith("/kube/") && !path.startsWith("/forwards");
  if (isPage && !isUpgrade) return undefined;
  const offered = headers["sec-websocket-protocol"]?.split(/, */) ?? [];
  const given = isUpgrade
    ? offered.find((each) => each.startsWith(SESSION_PROTOCOL))?.slice(SESSION_PROTOCOL.length)
    : headers[SESSION_HEADER];
  const session = typeof given === "string" ? await access.sessionOf(given) : undefined;
  if (session) return session;
  throw new HttpError(401, `this browser has no session: ${access.remedy}`);
}

/** The place that a request was sent to, without its query. */
export const pathOf = ({ url = "/" }: Pick<IncomingMessage, "url">): string => url.split("?")[0]!;

/** The page's policy: it loads nothing from elsewhere and runs no text. */
export const policyOf = (nonce: string): string =>
  `default-src 'none'; script-src 'self'; style-src 'self' 'nonce-${nonce}'; ` +
  "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; " +
  "frame-ancestors 'none'";

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
