import { isUtf8 } from "node:buffer";
import { unauthorized } from "@raft2kube/apimachinery/errors/catalog.ts";
import { headerOf, type Incoming } from "../request/context.ts";

/** Browsers cannot send headers with a WebSocket, so their token hides among the protocols. */
const TOKEN = "base64url.bearer.authorization.k8s.io.";

/** The protocols that a client of WebSocket offers, the one that hides a token left out. */
export function protocolsWithoutToken(request: Incoming): string[] {
  return protocolsOf(request).filter((each) => !each.startsWith(TOKEN));
}

/**
 * The token among the protocols of a request for a WebSocket; undefined when there is none. Throws
 * 401 for two of them, for one that is not base64 without padding, and where no protocol is left to
 * be agreed on (upstream: authentication/request/websocket).
 */
export function websocketToken(request: Incoming): string | undefined {
  if (!isWebSocket(request)) return undefined;
  const protocols = protocolsOf(request);
  const [hidden, second] = protocols.filter((each) => each.startsWith(TOKEN));
  if (hidden === undefined) return undefined;
  if (second !== undefined || protocols.length === 1) throw unauthorized();
  const encoded = hidden.slice(TOKEN.length);
  const token = Buffer.from(encoded, "base64url");
  if (token.toString("base64url") !== encoded || !isUtf8(token)) throw unauthorized();
  return token.toString("utf8");
}

/** Whether a request asks for a WebSocket. */
export function isWebSocket(request: Incoming): boolean {
  const wanted = /(^|[\s,])upgrade([\s,]|$)/i.test(headerOf(request, "connection"));
  return wanted && headerOf(request, "upgrade").toLowerCase() === "websocket";
}

function protocolsOf(request: Incoming): string[] {
  const offered = headerOf(request, "sec-websocket-protocol").split(",");
  return offered.map((each) => each.trim()).filter((each) => each !== "");
}
