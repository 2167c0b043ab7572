import { parseJson } from "@raft2kube/apimachinery/decode/json-document.ts";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { isObject } from "@raft2kube/apimachinery/json/json.ts";
import { compactVerify, decodeProtectedHeader, errors, type ProtectedHeaderParameters } from "jose";
import { TOKEN_BYTES_MAX } from "../../limits.ts";
import type { RefusedToken } from "../token-authority.ts";
import type { JwtIssuer } from "./config.ts";
import type { RemoteKeys, TokenKey } from "./remote-keys.ts";

/** The claims of a token; why it is not believed, in go-oidc's words where it has some. */
type Read = { readonly claims: Claims } | RefusedToken;

export type Claims = Readonly<Record<string, unknown>>;

/** Time by which `nbf` may be in the future (go-oidc's). */
const NOT_BEFORE_LEEWAY_S = 300;

/** The issuer that an unverified token names; undefined for what is no JWT. */
export function untrustedIssuer(token: string): string | undefined {
  if (token.length > TOKEN_BYTES_MAX) return undefined;
  const parts = token.split(".");
  if (parts.length !== 3) return undefined;
  const read = claimsIn(Buffer.from(parts[1]!, "base64url"));
  const issuer = "claims" in read ? read.claims["iss"] : undefined;
  return typeof issuer === "string" ? issuer : undefined;
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
): Promise<Read> {
  const header = headerOf(token);
  if (header === undefined) return { refused: "oidc: malformed jwt" };
  const { alg = "" } = header;
  if (!issuer.algorithms.includes(alg)) {
    const wanted = `expected ${quoted(issuer.algorithms)} got ${JSON.stringify(alg)}`;
    return { refused: `oidc: id token signed with unsupported algorithm, ${wanted}` };
  }
  const { known } = keys;
  if (known === undefined) return { refused: "oidc: authenticator not initialized" };
  const payload =
    (await signedBy(known, token, header)) ??
    (await signedBy((await keys.newerThan(known)) ?? [], token, header));
  if (payload === undefined) {
    return { refused: "failed to verify signature: failed to verify id token signature" };
  }
  const read = claimsIn(payload);
  const refused = "claims" in read ? unfit(read.claims, issuer, now_ms) : undefined;
  return refused === undefined ? read : { refused: `oidc: ${refused}` };
}

/**
 * The payload of a token that one of the keys signed; of a token that names a key, that alone. The
 * algorithm is the header's, and the key's where it names one.
 */
export async function signedBy(
  keys: readonly TokenKey[],
  token: string,
  { kid, alg = "" }: ProtectedHeaderParameters,
): Promise<Buffer | undefined> {
  for (const { id, algorithm, key } of keys) {
    if (kid !== undefined && id !== kid) continue;
    if (algorithm !== undefined && algorithm !== alg) continue;
    try {
      const { payload } = await compactVerify(token, key, { algorithms: [alg] });
      return Buffer.from(payload);
    } catch (thrown) {
      // The next key may fit: jose refuses keys of another type with a TypeError.
      if (!(thrown instanceof errors.JOSEError || thrown instanceof TypeError)) throw thrown;
    }
  }
  return undefined;
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

/** The claims in a payload. One that has a claim twice is refused: parsers differ about it. */
function claimsIn(payload: Buffer): Read {
  const malformed = (why: string) => ({ refused: `oidc: malformed jwt: ${why}` });
  try {
    const { value, duplicates } = parseJson(payload, "");
    if (!isObject(value)) return malformed("the claims are no object");
    const [twice] = duplicates;
    return twice === undefined ? { claims: value } : malformed(twice);
  } catch (thrown) {
    if (thrown instanceof ApiError) return malformed(thrown.message);
    throw thrown;
  }
}

/** Returns a token's header without verification; undefined if it has none. */
export function headerOf(token: string): ProtectedHeaderParameters | undefined {
  try {
    return decodeProtectedHeader(token);
  } catch (thrown) {
    if (thrown instanceof TypeError) return undefined;
    throw thrown;
  }
}
