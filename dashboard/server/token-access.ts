import { randomBytes } from "node:crypto";
import { isIP } from "node:net";
import type { SelfSubjectReview } from "@raft2kube/api/gen/authentication/v1.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import { CompactEncrypt, compactDecrypt, errors } from "jose";
import { REVIEW_BYTES_MAX, SESSION_MS, TOKEN_CHARS_MAX } from "../limits.ts";
import type { Access } from "./access.ts";
import { textOf, type Upstream } from "./upstream.ts";

/** The encryption of secrets; one that names another is no secret. */
const [alg, enc] = ["dir", "A256GCM"] as const;
const ALLOWED = { keyManagementAlgorithms: [alg], contentEncryptionAlgorithms: [enc] };
const TOKEN = new RegExp(`^[\\x21-\\x7e]{1,${TOKEN_CHARS_MAX}}$`);
const ACCOUNTS_OF_NAMESPACE = "system:serviceaccounts:";
const REVIEW = {
  method: "POST",
  path: "/apis/authentication.k8s.io/v1/selfsubjectreviews",
  headers: { "content-type": "application/json", accept: "application/json" },
  body: JSON.stringify({ apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" }),
};

/** The content of a session's secret, which ends by the monotonic clock of this process. */
type Content = { readonly user: string; readonly token: string; readonly until_ms: number };

/**
 * Access for anyone with a token of the API server, which decides about each request. A session's
 * secret is that token, encrypted with a key that only this process has: the server stores none,
 * and the browser has no token that is of use elsewhere. `upstream` has no credentials of its own;
 * `names` are host names that lead here.
 */
export function tokenAccess(upstream: Upstream, names: readonly string[], clock: Clock): Access {
  const key = randomBytes(32);
  return {
    login: "token",
    refusal: "the API server does not accept this token",
    remedy: "sign in",
    isOwnName(host) {
      const name = host.replace(/:\d+$/, "").toLowerCase();
      // An address cannot be rebound, and browsers resolve `localhost` themselves.
      const isLocal = name === "localhost" || name.endsWith(".localhost");
      return isLocal || isIP(name.replace(/^\[(.*)\]$/, "$1")) !== 0 || names.includes(name);
    },
    async signIn(token) {
      const user = TOKEN.test(token) ? await userOf(upstream.as(token)) : undefined;
      if (user === undefined) return undefined;
      const content: Content = { user, token, until_ms: clock.monotonic() + SESSION_MS };
      const sealed = new CompactEncrypt(Buffer.from(JSON.stringify(content)));
      return sealed.setProtectedHeader({ alg, enc }).encrypt(key);
    },
    async sessionOf(secret) {
      const isForged = (thrown: unknown) => thrown instanceof errors.JOSEError;
      const opened = await tolerate(compactDecrypt(secret, key, ALLOWED), isForged);
      if (opened === undefined) return undefined;
      const text = Buffer.from(opened.plaintext).toString();
      const { user, token, until_ms } = JSON.parse(text) as Content;
      return until_ms < clock.monotonic() ? undefined : { user, upstream: upstream.as(token) };
    },
    link: (server) => `${server}/`,
    close: () => upstream.close(),
  };
}

/** Asks the API server whose token it is; undefined: no one's. Throws if it does not answer. */
async function userOf(upstream: Upstream): Promise<string | undefined> {
  const { status, body } = await upstream.send(REVIEW);
  const text = await textOf(body, REVIEW_BYTES_MAX);
  if (status === 401) return undefined;
  const review = JSON.parse(text) as Partial<SelfSubjectReview>;
  const { username, groups = [] } = review.status?.userInfo ?? {};
  if (username === undefined) throw new TypeError(`SelfSubjectReview: status ${status}`);
  // As the API server: editors of a namespace create as many accounts as they like.
  return groups.find((each) => each.startsWith(ACCOUNTS_OF_NAMESPACE)) ?? `user ${username}`;
}
