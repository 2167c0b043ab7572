import { parseJson } from "@raft2kube/apimachinery/decode/json-document.ts";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { isObject } from "@raft2kube/apimachinery/json/json.ts";
import { compactVerify, decodeProtectedHeader, errors } from "jose";
import { TOKEN_BYTES_MAX } from "../../limits.ts";
import type { JwtIssuer } from "./config.ts";
import type { IssuerKey, RemoteKeys } from "./remote-keys.ts";

export type Claims = Readonly<Record<string, unknown>>;

/** Time by which `nbf` may be in the future (go-oidc's). */
const NOT_BEFORE_LEEWAY_S = 300;

/** The issuer that an unverified token names; undefined for what is no JWT. */
export function untrustedIssuer(token: string): string | undefined {
  if (token.length > TOKEN_BYTES_MAX) return undefined;
  const parts = token.split(".");
  if (parts.length !== 3) return undefined;
  const claims = claimsIn(Buffer.from(parts[1]!, "base64url"));
  return "refused" in claims ? undefined : textOf(claims.claims["iss"]);
}

/**
 * Verifies a token of an issuer: the signature by one of its keys, with an algorithm that is
 * allowed and, where the key names one, the key's; then issuer, audience and times. Header members
 * that carry keys or addresses of keys (`jwk`, `jku`, `x5c`, `x5u`) are never read.
 */
export async function verifyJwt(
  token: string,
  issuer: JwtIssuer,
  keys: Pick<RemoteKeys, "known" | "newerThan">,
  now_ms: number,
): Promise<{ claims: Claims } | { refused: string }> {
  const header = headerOf(token);
  if (header === undefined) return { refused: "oidc: malformed jwt" };
  const { alg = "", kid } = header;
  const { algorithms } = issuer;
  if (!algorithms.includes(alg)) {
    const shown = `[${algorithms.map((each) => JSON.stringify(each)).join(" ")}]`;
    return {
      refused:
        "oidc: id token signed with unsupported algorithm, " +
        `expected ${shown} got ${JSON.stringify(alg)}`,
    };
  }
  const { known } = keys;
  if (known === undefined) return { refused: "oidc: authenticator not initialized" };
  const payload =
    (await signedBy(known, token, kid, alg)) ??
    (await signedBy((await keys.newerThan(known)) ?? [], token, kid, alg));
  if (payload === undefined) {
    return { refused: "failed to verify signature: failed to verify id token signature" };
  }
  const read = claimsIn(payload);
  return "refused" in read ? read : checked(read.claims, issuer, now_ms);
}

/** The payload of a token that one of the keys signed, by the key's name if it has one. */
async function signedBy(
  keys: readonly IssuerKey[],
  token: string,
  kid: string | undefined,
  alg: string,
): Promise<Buffer | undefined> {
  for (const each of keys) {
    if (kid !== undefined && each.kid !== kid) continue;
    if (each.alg !== undefined && each.alg !== alg) continue;
    try {
      const { payload } = await compactVerify(token, each.key, { algorithms: [alg] });
      return Buffer.from(payload);
    } catch (thrown) {
      // The next key may fit: jose refuses keys of another type with a TypeError.
      if (!(thrown instanceof errors.JOSEError || thrown instanceof TypeError)) throw thrown;
    }
  }
  return undefined;
}

function checked(
  claims: Claims,
  { url, audiences }: JwtIssuer,
  now_ms: number,
): { claims: Claims } | { refused: string } {
  const { iss, exp, nbf } = claims;
  if (iss !== url) {
    const got = JSON.stringify(iss);
    const why = "oidc: id token issued by a different provider";
    return { refused: `${why}, expected ${url} got ${got}` };
  }
  const own = [claims["aud"] ?? []].flat();
  if (!own.some((each) => typeof each === "string" && audiences.includes(each))) {
    const wanted = audiences.length === 1 ? JSON.stringify(audiences[0]) : `in ${list(audiences)}`;
    return { refused: `oidc: expected audience ${wanted} got ${list(own)}` };
  }
  if (typeof exp !== "number" || exp * 1_000 < now_ms) {
    const at = typeof exp === "number" ? timeOf(exp) : "none";
    return { refused: `oidc: token is expired (Token Expiry: ${at})` };
  }
  if (nbf !== undefined) {
    if (typeof nbf !== "number" || now_ms < (nbf - NOT_BEFORE_LEEWAY_S) * 1_000) {
      const at = typeof nbf === "number" ? timeOf(nbf) : "unreadable";
      return {
        refused:
          `oidc: current time ${timeOf(now_ms / 1_000)} before the nbf ` +
          `(not before) time: ${at}`,
      };
    }
  }
  return { claims };
}

const list = (texts: readonly unknown[]): string =>
  `[${texts.map((each) => JSON.stringify(each)).join(" ")}]`;

/** A time in seconds as text; of one beyond what dates can say, the number. */
function timeOf(seconds: number): string {
  const date = new Date(seconds * 1_000);
  return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString();
}

/** The claims in a payload. One that has a claim twice is refused: parsers differ about it. */
function claimsIn(payload: Buffer): { claims: Claims } | { refused: string } {
  try {
    const { value, duplicates } = parseJson(payload, "");
    if (!isObject(value)) return { refused: "oidc: malformed jwt: the claims are no object" };
    const [twice] = duplicates;
    if (twice !== undefined) return { refused: `oidc: malformed jwt: ${twice}` };
    return { claims: value };
  } catch (thrown) {
    if (!(thrown instanceof ApiError)) throw thrown;
    return { refused: `oidc: malformed jwt: ${thrown.message}` };
  }
}

const textOf = (value: unknown): string | undefined =>
  typeof value === "string" ? value : undefined;

function headerOf(token: string): { alg?: string; kid?: string } | undefined {
  try {
    const { alg, kid } = decodeProtectedHeader(token);
    return { ...(alg === undefined ? {} : { alg }), ...(kid === undefined ? {} : { kid }) };
  } catch (thrown) {
    if (thrown instanceof TypeError) return undefined;
    throw thrown;
  }
}
