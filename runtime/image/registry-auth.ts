import type { AuthConfig } from "@raft2kube/proto/gen/cri.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { isRecord } from "@raft2kube/std/record.ts";
import { RuntimeError } from "../errors.ts";
import { CHALLENGE_CHARACTERS, TOKEN_BYTES } from "../limits.ts";
import { get } from "./http.ts";
import { parseJson } from "./json.ts";
import { readBounded } from "./read-bounded.ts";

/** A challenge in `WWW-Authenticate` (RFC 7235; distribution's token spec). */
export type Challenge = { scheme: string; parameters: Record<string, string> };

/** The pull's repository, and how to query the token server. */
export interface TokenRequest {
  /** `repository:NAME:pull`, unless the challenge names another. */
  scope: string;
  /** The URL of the registry. */
  registry: string;
  clock: Clock;
  signal?: AbortSignal;
  /** The namespace of the pod that it is for. */
  namespace?: string | undefined;
}

/** Reads the header; undefined when it has no scheme that we can serve. */
export function parseChallenge(header: string | undefined): Challenge | undefined {
  if (header === undefined || header.length > CHALLENGE_CHARACTERS) return undefined;
  const match = /^\s*(basic|bearer)\s*(.*)$/i.exec(header);
  if (!match) return undefined;
  const found = match[2]!.matchAll(/\b(\w+)=(?:"([^"]*)"|([^",\s]+))/g);
  const parameters = [...found].map(([, name, quoted, plain]) => {
    return [name!.toLowerCase(), quoted ?? plain ?? ""] as const;
  });
  return { scheme: match[1]!.toLowerCase(), parameters: Object.fromEntries(parameters) };
}

const denied = (why: string) => new RuntimeError("permission-denied", why);

/** User and password as HTTP's Basic has them, from either of CRI's two places. */
export function basicCredentials(auth: Partial<AuthConfig> | undefined): string | undefined {
  if (auth?.auth) {
    if (/^[\w+/=-]+$/.test(auth.auth)) return auth.auth;
    throw denied("the pull secret's auth is not base64");
  }
  if (!auth?.username && !auth?.password) return undefined;
  return Buffer.from(`${auth.username ?? ""}:${auth.password ?? ""}`).toString("base64");
}

/** A token as it may stand in a header. */
function bearer(token: unknown, from: string): string {
  if (typeof token === "string" && /^[\x21-\x7e]+$/.test(token)) return `Bearer ${token}`;
  throw denied(`${from} is not a token`);
}

async function fetchToken(
  { parameters }: Challenge,
  auth: Partial<AuthConfig> | undefined,
  { scope, registry, clock, signal, namespace }: TokenRequest,
): Promise<string> {
  const { realm = "", service } = parameters;
  const url = URL.canParse(realm) ? new URL(realm) : undefined;
  if (url?.protocol !== "https:" && url?.protocol !== "http:") {
    throw denied(`token server: no URL: ${JSON.stringify(realm)}`);
  }
  // Nor may a registry have the node ask services of its network that know no TLS.
  if (url.protocol === "http:" && !registry.startsWith("http:")) {
    throw denied(`token server ${url.origin}: a registry over TLS names one without`);
  }
  if (service) url.searchParams.set("service", service);
  const wanted = parameters["scope"] || scope;
  // A mount from another repository needs the scopes of both, a parameter each.
  for (const each of wanted.split(" ").filter(Boolean)) url.searchParams.append("scope", each);
  const basic = basicCredentials(auth);
  const headers: Record<string, string> = basic ? { Authorization: `Basic ${basic}` } : {};
  const name = `token server ${url.origin}`;
  const answer = await get(url.href, {
    headers,
    clock,
    name,
    namespace,
    ...(signal && { signal }),
  });
  if (answer.status !== 200) {
    answer.cancel();
    throw denied(`${name}: ${answer.status}`);
  }
  const value = parseJson(await readBounded(answer.body, TOKEN_BYTES, name), `${name}: the answer`);
  const { token, access_token } = isRecord(value) ? value : {};
  return bearer(token ?? access_token, `${name}: what it answered`);
}

/** The `Authorization` header that answers a challenge; undefined when there is nothing to say. */
export async function answerChallenge(
  challenge: Challenge,
  auth: Partial<AuthConfig> | undefined,
  request: TokenRequest,
): Promise<string | undefined> {
  if (challenge.scheme === "basic") {
    const basic = basicCredentials(auth);
    return basic && `Basic ${basic}`;
  }
  if (auth?.registryToken) return bearer(auth.registryToken, "the pull secret's registry token");
  return fetchToken(challenge, auth, request);
}
