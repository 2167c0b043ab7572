import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { isIP } from "node:net";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { SESSION_MS, TOKEN_CHARS_MAX } from "../limits.ts";
import { type Access, type Session, UnderWay } from "./access.ts";
import type { Upstream } from "./upstream.ts";

const CIPHER = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const TOKEN = new RegExp(`^[\\x21-\\x7e]{1,${TOKEN_CHARS_MAX}}$`);
const ACCOUNTS_OF_NAMESPACE = "system:serviceaccounts:";
const REVIEW = { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" };

/** The part of a SelfSubjectReview that is read. */
interface Review {
  readonly status?: {
    readonly userInfo?: { readonly username?: string; readonly groups?: readonly string[] };
  };
}

/** The content of a session's secret, which is encrypted. */
interface Content {
  readonly user: string;
  readonly token: string;
  /** The end of the session, by the monotonic clock of this process. */
  readonly until_ms: number;
}

/**
 * Access for anyone with a token of the API server, which decides about each request. A session's
 * secret is that token, encrypted with a key that only this process has: the server stores none,
 * and the browser has no token that is of use elsewhere.
 */
export class TokenAccess implements Access {
  readonly login = "token";
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
    const path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    const { status, body } = await this.#upstream.as(token).post(path, REVIEW);
    if (status === 401) return undefined;
    const { username, groups = [] } = (body as Review).status?.userInfo ?? {};
    if (username === undefined) throw new TypeError(`SelfSubjectReview: status ${status}`);
    // As the API server: editors of a namespace create as many accounts as they like.
    const accounts = groups.find((group) => group.startsWith(ACCOUNTS_OF_NAMESPACE));
    const user = accounts ?? `user ${username}`;
    return this.#encrypt({ user, token, until_ms: this.#clock.monotonic() + SESSION_MS });
  }

  sessionOf(secret: string): Session | undefined {
    const content = this.#decrypt(secret);
    if (content === undefined || content.until_ms < this.#clock.monotonic()) return undefined;
    return { user: content.user, upstream: this.#upstream.as(content.token) };
  }

  link(server: string): string {
    return `${server}/`;
  }

  close(): void {
    this.#upstream.close();
  }

  #encrypt(content: Content): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#key, nonce);
    const text = Buffer.concat([cipher.update(JSON.stringify(content)), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), text]).toString("base64url");
  }

  #decrypt(secret: string): Content | undefined {
    const bytes = Buffer.from(secret, "base64url");
    if (bytes.length <= NONCE_BYTES + TAG_BYTES) return undefined;
    const decipher = createDecipheriv(CIPHER, this.#key, bytes.subarray(0, NONCE_BYTES));
    decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
    const text = decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES));
    try {
      decipher.final();
    } catch (thrown) {
      // Node has no code for a tag that is not the text's.
      if (/unable to authenticate/.test(messageOf(thrown))) return undefined;
      throw thrown;
    }
    return JSON.parse(text.toString()) as Content;
  }
}
