import type { AuthConfig } from "@raft2kube/proto/gen/cri.ts";
import { RuntimeError } from "../errors.ts";
import { TOKEN_BYTES } from "../limits.ts";

/** What a registry asks for in `WWW-Authenticate` (RFC 7235; distribution's token spec). */
export interface Challenge {
  scheme: string;
  parameters: Record<string, string>;
}

/** Reads the header; undefined when it has no scheme that we can serve. */
export function parseChallenge(header: string | null): Challenge | undefined {
  const match = /^\s*(basic|bearer)\s*(.*)$/i.exec(header ?? "");
  if (!match) return undefined;
  const parameters: Record<string, string> = {};
  for (const [, name, quoted, plain] of match[2]!.matchAll(/(\w+)=(?:"([^"]*)"|([^",\s]+))/g)) {
    parameters[name!.toLowerCase()] = quoted ?? plain ?? "";
  }
  return { scheme: match[1]!.toLowerCase(), parameters };
}

/** User and password as HTTP's Basic has them, from either of CRI's two places. */
export function basicCredentials(auth: Partial<AuthConfig> | undefined): string | undefined {
  if (auth?.auth) return auth.auth;
  if (!auth?.username && !auth?.password) return undefined;
  return Buffer.from(`${auth.username ?? ""}:${auth.password ?? ""}`).toString("base64");
}

async function fetchToken(
  { parameters }: Challenge,
  auth: Partial<AuthConfig> | undefined,
  scope: string,
  signal: AbortSignal,
): Promise<string> {
  const { realm = "", service } = parameters;
  const denied = (why: string) => new RuntimeError("permission-denied", `token server: ${why}`);
  if (!/^https?:\/\//.test(realm)) throw denied(`no URL: ${JSON.stringify(realm)}`);
  const url = new URL(realm);
  if (service) url.searchParams.set("service", service);
  url.searchParams.set("scope", parameters["scope"] || scope);
  const basic = basicCredentials(auth);
  const headers: Record<string, string> = basic ? { Authorization: `Basic ${basic}` } : {};
  const answer = await fetch(url, { headers, signal });
  const text = await answer.text();
  if (!answer.ok) throw denied(`${answer.status} from ${url.origin}`);
  if (text.length > TOKEN_BYTES) throw denied(`an answer of ${text.length} bytes`);
  const { token, access_token } = JSON.parse(text) as { token?: string; access_token?: string };
  const found = token ?? access_token;
  if (!found) throw denied("an answer without a token");
  return found;
}

/** The `Authorization` header that answers a challenge; undefined when there is nothing to say. */
export async function answerChallenge(
  challenge: Challenge,
  auth: Partial<AuthConfig> | undefined,
  scope: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (challenge.scheme === "basic") {
    const basic = basicCredentials(auth);
    return basic && `Basic ${basic}`;
  }
  if (auth?.registryToken) return `Bearer ${auth.registryToken}`;
  return `Bearer ${await fetchToken(challenge, auth, scope, signal)}`;
}
