import { randomBytes } from "node:crypto";
import { isIP } from "node:net";
import type { SelfSubjectReview } from "@raft2kube/api/gen/authentication/v1.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import { CompactEncrypt, compactDecrypt, errors } from "jose";
import { REVIEW_BYTES_MAX, SESSION_MS, TOKEN_CHARS_MAX } from "../limits.ts";
import { type Access, type Session, UnderWay } from "./access.ts";
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
 * and the browser has no token that is of use elsewhere.
 */
export class TokenAccess implements Access {
  readonly login = "token";
  readonly refusal = "the API server does not accept this token";
  readonly remedy = "sign in";
  readonly underWay = new UnderWay();
  readonly #upstream: Upstream;
  readonly #names: ReadonlySet<string>;
  readonly #clock: Clock;
  readonly #key = randomBytes(32);

  /** `upstream` has no credentials of its own; `names` are host names that lead here. */
  constructor(upstream: Upstream, names: readonly string[], clock: Clock) {
    this.#upstream = upstream;
    this.#names = new Set(names);
    this.#clock = clock;
  }

  /** An address cannot be rebound, and browsers resolve `localhost` themselves. */
  isOwnName(host: string): boolean {
    const name = host.replace(/:\d+$/, "").toLowerCase();
    const isLocal = name === "localhost" || name.endsWith(".localhost");
    return isLocal || isIP(name.replace(/^\[(.*)\]$/, "$1")) !== 0 || this.#names.has(name);
  }

  /** Asks the API server whose token it is. Throws if it does not answer. */
  async signIn(token: string): Promise<string | undefined> {
    if (!TOKEN.test(token)) return undefined;
    const { status, body } = await this.#upstream.as(token).send(REVIEW);
    const text = await textOf(body, REVIEW_BYTES_MAX);
    if (status === 401) return undefined;
    const review = JSON.parse(text) as Partial<SelfSubjectReview>;
    const { username, groups = [] } = review.status?.userInfo ?? {};
    if (username === undefined) throw new TypeError(`SelfSubjectReview: status ${status}`);
    // As the API server: editors of a namespace create as many accounts as they like.
    const accounts = groups.find((group) => group.startsWith(ACCOUNTS_OF_NAMESPACE));
    const user = accounts ?? `user ${username}`;
    const until_ms = this.#clock.monotonic() + SESSION_MS;
    const content: Content = { user, token, until_ms };
    const sealed = new CompactEncrypt(Buffer.from(JSON.stringify(content)));
    return sealed.setProtectedHeader({ alg, enc }).encrypt(this.#key);
  }

  async sessionOf(secret: string): Promise<Session | undefined> {
    const isForged = (thrown: unknown) => thrown instanceof errors.JOSEError;
    const opened = await tolerate(compactDecrypt(secret, this.#key, ALLOWED), isForged);
    if (opened === undefined) return undefined;
    const { user, token, until_ms } = JSON.parse(String(Buffer.from(opened.plaintext))) as Content;
    if (until_ms < this.#clock.monotonic()) return undefined;
    return { user, upstream: this.#upstream.as(token) };
  }

  link(server: string): string {
    return `${server}/`;
  }

  close(): void {
    this.#upstream.close();
  }
}
