import type { RequestUser } from "@raft2kube/api/kind.ts";
import { unauthorized } from "../errors/catalog.ts";
import { headerOf, type Incoming } from "../http/context.ts";
import type { AuthenticationFigures } from "../figures/access.ts";
import { clientCertificateUser } from "./client-certificate.ts";
import { ANONYMOUS, AUTHENTICATED_GROUP } from "./identities.ts";
import type { TokenAuthority, VerifiedToken } from "./token-verifier.ts";

/**
 * Finds out who asks: a client certificate, a bearer token, or nobody. Headers such as
 * X-Remote-User are not read.
 */
export class Authenticator {
  readonly #authorities: readonly TokenAuthority[];
  readonly #figures: AuthenticationFigures;

  constructor(authorities: readonly TokenAuthority[], figures: AuthenticationFigures) {
    this.#authorities = authorities;
    this.#figures = figures;
  }

  /** Throws 401 when credentials are shown and not believed. */
  async authenticate(request: Incoming): Promise<RequestUser> {
    const from_ms = performance.now();
    let user: RequestUser | undefined;
    try {
      return (user = await this.#find(request));
    } finally {
      this.#figures.ended(user?.name, (performance.now() - from_ms) / 1_000);
    }
  }

  async #find(request: Incoming): Promise<RequestUser> {
    const certified = clientCertificateUser(request);
    if (certified === "unverified") throw unauthorized();
    if (certified !== undefined) {
      this.#figures.expiresIn((certified.until_ms - Date.now()) / 1_000);
      return authenticated(certified.user);
    }
    const token = bearerToken(request);
    if (token === undefined) return ANONYMOUS;
    const known = await this.verifyToken(token);
    if (known === undefined) throw unauthorized();
    return authenticated(known.user);
  }

  /**
   * Whose token it is for these audiences, by default this server's; undefined when it is not to be
   * believed.
   */
  async verifyToken(
    token: string,
    audiences?: readonly string[],
  ): Promise<VerifiedToken | undefined> {
    for (const authority of this.#authorities) {
      const known = await authority.verify(token, audiences);
      if (known !== undefined) return known;
    }
    return undefined;
  }
}

function authenticated(user: RequestUser): RequestUser {
  if (user.groups.includes(AUTHENTICATED_GROUP)) return user;
  return { ...user, groups: [...user.groups, AUTHENTICATED_GROUP] };
}

const WEBSOCKET_TOKEN = "base64url.bearer.authorization.k8s.io.";

/**
 * The token of the Authorization header, or of a WebSocket's protocols as browsers must send it.
 */
function bearerToken(request: Incoming): string | undefined {
  // What is no bearer token is passed over, as upstream does: who shows it is nobody in particular.
  const match = /^Bearer +(\S+)$/i.exec(headerOf(request, "authorization").trim());
  if (match) return match[1];
  const protocols = headerOf(request, "sec-websocket-protocol").split(",");
  const hidden = protocols
    .map((each) => each.trim())
    .find((each) => each.startsWith(WEBSOCKET_TOKEN));
  if (hidden === undefined) return undefined;
  return Buffer.from(hidden.slice(WEBSOCKET_TOKEN.length), "base64url").toString("utf8");
}
