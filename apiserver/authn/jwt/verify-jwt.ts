import { parseJson } from "@raft2kube/apimachinery/decode/json-document.ts";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { isObject } from "@raft2kube/apimachinery/json/json.ts";
import { compactVerify, decodeProtectedHeader, errors, type ProtectedHeaderParameters } from "jose";
import { TOKEN_BYTES_MAX } from "../../limits.ts";
import type { JwtIssuer } from "./config.ts";
import type { RemoteKeys, TokenKey } from "./remote-keys.ts";

export type Claims = Readonly<Record<string, unknown>>;

/** A JSON Web Token, of which nothing is verified. */
export interface Jwt {
  readonly token: string;
  readonly header: ProtectedHeaderParameters;
  readonly claims: Claims;
}

/** Time by which `nbf` may be in the future (go-oidc's). */
const NOT_BEFORE_LEEWAY_S = 300;

/** Reads a token; undefined for what is no JWT, or has a claim twice: parsers differ about it. */
export function readJwt(token: string): Jwt | undefined {
  if (token.length > TOKEN_BYTES_MAX) return undefined;
  const [, payload = "", ...others] = token.split(".");
  if (others.length !== 1) return undefined;
  try {
    const { value, duplicates } = parseJson(Buffer.from(payload, "base64url"), "");
    if (!isObject(value) || duplicates.length > 0) return undefined;
    return { token, header: decodeProtectedHeader(token), claims: value };
  } catch (thrown) {
    // The latter is jose's for a header that cannot be read.
    if (thrown instanceof ApiError || thrown instanceof TypeError) return undefined;
    throw thrown;
  }
}

/**
 * Verifies a token of an issuer: the signature by one of its keys, with an algorithm that is
 * allowed and, where the key names one, the key's; then issuer, audience and times. Header members
 * that carry keys or addresses of keys (`jwk`, `jku`, `x5c`, `x5u`) are never read. Returns why it
 * is not believed, in go-oidc's words where it has some.
 */
export async function refusalOf(
  jwt: Jwt,
  issuer: JwtIssuer,
  keys: Pick<RemoteKeys, "known" | "newerThan">,
  now_ms: number,
): Promise<string | undefined> {
  const { alg = "" } = jwt.header;
  if (!issuer.algorithms.includes(alg)) {
    const wanted = `expected ${quoted(issuer.algorithms)} got ${JSON.stringify(alg)}`;
    return `oidc: id token signed with unsupported algorithm, ${wanted}`;
  }
  const { known } = keys;
  if (known === undefined) return "oidc: authenticator not initialized";
  const isSigned =
    (await isSignedBy(known, jwt)) || (await isSignedBy((await keys.newerThan(known)) ?? [], jwt));
  if (!isSigned) return "failed to verify signature: failed to verify id token signature";
  const why = unfit(jwt.claims, issuer, now_ms);
  return why && `oidc: ${why}`;
}

/**
 * Whether one of the keys signed a token; of a token that names a key, that alone. The algorithm is
 * the header's, and the key's where it names one.
 */
export async function isSignedBy(keys: readonly TokenKey[], jwt: Jwt): Promise<boolean> {
  const { kid, alg = "", b64 } = jwt.header;
  // The signed text would not be the decoded one (RFC 7797, section 7).
  if (b64 === false) return false;
  for (const { id, algorithm, key } of keys) {
    if (kid !== undefined && id !== kid) continue;
    if (algorithm !== undefined && algorithm !== alg) continue;
    try {
      await compactVerify(jwt.token, key, { algorithms: [alg] });
      return true;
    } catch (thrown) {
      // The next key may fit: jose refuses keys of another type with a TypeError.
      if (!(thrown instanceof errors.JOSEError || thrown instanceof TypeError)) throw thrown;
    }
  }
  return false;
}

/** Why claims whose signature holds are not believed now; undefined for those that are. */
function unfit(claims: Claims, { url, audiences }: JwtIssuer, now_ms: number): string | undefined {
  const { iss, exp, nbf } = claims;
  if (iss !== url) {
    const got = JSON.stringify(iss);
    return `id token issued by a different provider, expected ${url} got ${got}`;
  }
  const own: unknown[] = [claims["aud"] ?? []].flat();
  if (!own.some((each) => typeof each === "string" && audiences.includes(each))) {
    const [first, ...more] = audiences;
    const wanted = more.length === 0 ? JSON.stringify(first) : `in ${quoted(audiences)}`;
    return `expected audience ${wanted} got ${quoted(own)}`;
  }
  if (typeof exp !== "number" || exp * 1_000 < now_ms) {
    return `token is expired (Token Expiry: ${timeOf(exp)})`;
  }
  if (nbf === undefined) return undefined;
  if (typeof nbf === "number" && now_ms >= (nbf - NOT_BEFORE_LEEWAY_S) * 1_000) return undefined;
  const now = timeOf(now_ms / 1_000);
  return `current time ${now} before the nbf (not before) time: ${timeOf(nbf)}`;
}

/** Texts as Go prints a list of them. */
export const quoted = (texts: readonly unknown[]): string =>
  `[${texts.map((each) => JSON.stringify(each)).join(" ")}]`;

/** A time in seconds as text; of one beyond what dates can say, the number. */
function timeOf(seconds: unknown): string {
  if (typeof seconds !== "number") return seconds === undefined ? "none" : "unreadable";
  const date = new Date(seconds * 1_000);
  return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString();
}
