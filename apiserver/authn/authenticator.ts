import type { RequestUser } from "@raft2kube/api/kind.ts";
import { unauthorized } from "@raft2kube/apimachinery/errors/catalog.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { type Clock, stopwatch } from "@raft2kube/std/clock.ts";
import { aggregateOf } from "@raft2kube/std/errors.ts";
import type { Owner } from "@raft2kube/std/shares.ts";
import { TOKEN_BYTES_MAX } from "../limits.ts";
import type { AuthenticationMetrics } from "../metrics/access.ts";
import { headerOf, type Incoming } from "../request/context.ts";
import { clientCertificateUser, socketOf } from "./client-certificate.ts";
import { ANONYMOUS, authenticated } from "./identities.ts";
import { type AuthenticationOptions, mayBeAnonymous } from "./options.ts";
import { ownerOfAddress } from "./owner.ts";
import type { RemovedNodes } from "./removed-nodes.ts";
import { fingerprintsOf, type RequestHeaders } from "./request-header.ts";
import type { RefusedToken, TokenAuthority, VerifiedToken } from "./token-authority.ts";
import { websocketToken } from "./websocket-token.ts";

const log = logger("apiserver");

interface AuthenticatorParts {
  readonly authorities: readonly TokenAuthority[];
  /** This server's audiences. */
  readonly audiences: readonly string[];
  readonly removedNodes: RemovedNodes;
  readonly metrics: AuthenticationMetrics;
  readonly clock: Clock;
  readonly requestHeaders: RequestHeaders | undefined;
  readonly options: AuthenticationOptions;
}

/**
 * Authenticates a request by client certificate or bearer token, else as anonymous. Headers such
 * as X-Remote-User are read of the proxies of `requestHeaders` alone.
 */
export class Authenticator {
  readonly #parts: AuthenticatorParts;
  /** Fingerprints of the CAs of certificates, once they are others than those of the start. */
  #roots: ReadonlySet<string> | undefined;

  constructor(parts: AuthenticatorParts) {
    this.#parts = parts;
  }

  /**
   * Trusts other CAs from now on. A certificate of a CA that is no more among them is not believed,
   * on connections that are there already neither.
   */
  trust(clientCa: string, proxyCa = ""): void {
    this.#roots = fingerprintsOf(`${clientCa}\n${proxyCa}`);
    this.#parts.requestHeaders?.trust(proxyCa, clientCa);
  }

  /** Throws 401 for invalid credentials. Adds warnings for the user to `warnings`. */
  async authenticate(request: Incoming, warnings: string[]): Promise<RequestUser> {
    const { clock, metrics } = this.#parts;
    const took_s = stopwatch(clock);
    let user: RequestUser | undefined;
    try {
      return (user = await this.#find(request, warnings));
    } finally {
      metrics.ended(user?.name, took_s());
    }
  }

  async #find(request: Incoming, warnings: string[]): Promise<RequestUser> {
    const { clock, metrics, removedNodes, options } = this.#parts;
    const shown = this.#trusted(clientCertificateUser(request));
    const { certified, named } = this.#frontProxy(request, shown);
    if (named !== undefined) return authenticated(named);
    if (certified !== undefined && certified !== "unverified") {
      const left_ms = certified.until_ms - clock.now();
      // TLS looked at it when the connection started, which may have been long ago.
      if (left_ms < 0 || removedNodes.has(certified)) throw unauthorized();
      metrics.certificateExpiration.observe(left_ms / 1_000);
      return authenticated(certified.user);
    }
    const token = bearerToken(request, warnings);
    // A certificate of others (a proxy's, a browser's) is no reason not to look at the token.
    if (token === undefined && certified === "unverified") throw unauthorized();
    if (token === undefined) {
      const [path = ""] = (request.url ?? "").split("?");
      if (mayBeAnonymous(options, path)) return ANONYMOUS;
      throw unauthorized();
    }
    const known = await this.verifyToken(token, ownerOfAddress(socketOf(request)));
    if ("refused" in known) throw unauthorized();
    warnings.push(...(known.warnings ?? []));
    return authenticated(known.user);
  }

  #trusted<T extends ReturnType<typeof clientCertificateUser>>(shown: T): T | "unverified" {
    if (this.#roots === undefined || typeof shown !== "object") return shown;
    return shown.root !== undefined && this.#roots.has(shown.root) ? shown : "unverified";
  }

  /** A proxy's certificate stands for the user in its headers, and for none without them. */
  #frontProxy(request: Incoming, certified: ReturnType<typeof clientCertificateUser>) {
    const { requestHeaders: headers, clock } = this.#parts;
    if (headers === undefined || certified === undefined || certified === "unverified") {
      return { certified };
    }
    const isValid = certified.until_ms >= clock.now();
    const named = isValid ? headers.userOf(request, certified) : undefined;
    return { named, certified: headers.isClient(certified) ? certified : ("unverified" as const) };
  }

  /** Verifies a token for these audiences, by default this server's. */
  async verifyToken(
    token: string,
    asking: Owner,
    audiences: readonly string[] = this.#parts.audiences,
  ): Promise<VerifiedToken | RefusedToken> {
    // Upstream asks twice: for its own token to itself, and for all others.
    const refused = [INVALID];
    // No authority looks into one that is longer than any of theirs.
    if (token.length > TOKEN_BYTES_MAX) return { refused: INVALID };
    const granted = this.#parts.audiences.filter((each) => audiences.includes(each));
    for (const authority of this.#parts.authorities) {
      const verdict = await authority.verify(token, audiences, asking);
      if (verdict === undefined) continue;
      if ("refused" in verdict) {
        log.debug("a token was refused", { reason: verdict.refused });
        refused.push(verdict.refused);
      } else if ("audiences" in verdict) return verdict;
      else if (granted.length > 0) return { ...verdict, audiences: granted };
    }
    return { refused: aggregateOf(refused) };
  }
}

const INVALID = "invalid bearer token";

const SPACE_WARNING =
  "the provided Authorization header contains extra space before the bearer token, and is ignored";

/**
 * The token of the Authorization header, or of a WebSocket's protocols as browsers must send it.
 * Throws 401 for an unreadable one of the latter.
 */
function bearerToken(request: Incoming, warnings: string[]): string | undefined {
  // Other schemes are ignored, as upstream does: the request is anonymous.
  const [scheme = "", token = "", more] = headerOf(request, "authorization").trim().split(" ");
  if (scheme.toLowerCase() === "bearer") {
    if (token !== "") return token;
    if (more !== undefined) warnings.push(SPACE_WARNING);
  }
  return websocketToken(request);
}
