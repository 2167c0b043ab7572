import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import type { TokenReview } from "@raft2kube/api/gen/authentication/v1.ts";
import type { SubjectAccessReviewSpec } from "@raft2kube/api/gen/authorization/v1.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { sourceOf } from "@raft2kube/streaming/paced-socket.ts";
import { REVIEW_CACHE_MAX, REVIEW_CACHE_MS } from "../limits.ts";
import type { KubeClient } from "../rest/client.ts";
import { ExpiringCache } from "./expiring-cache.ts";
import { HttpError } from "./http-error.ts";

/** The user of a request. */
export type User = { name: string; groups: string[] } & Pick<
  SubjectAccessReviewSpec,
  "uid" | "extra"
>;

/** The group of every user who has proved who they are. */
const AUTHENTICATED = "system:authenticated";

/**
 * Authenticates requests: by the subject of a client certificate of the cluster's CA, or by the
 * user of a bearer token in a TokenReview. There are no anonymous requests.
 */
export class Authentication {
  readonly #client: KubeClient | undefined;
  readonly #reviews: ExpiringCache<User | undefined>;

  constructor(client: KubeClient | undefined, clock: Clock, ttl_ms: number = REVIEW_CACHE_MS) {
    this.#client = client;
    this.#reviews = new ExpiringCache({ clock, ttl_ms, most: REVIEW_CACHE_MAX });
  }

  /** Returns the user. Throws HttpError 401. */
  async userOf(request: IncomingMessage): Promise<User> {
    const user =
      certificateUser(sourceOf(request.socket) as TLSSocket) ?? (await this.#tokenUser(request));
    if (user) return { ...user, groups: [...new Set([...user.groups, AUTHENTICATED])] };
    throw new HttpError(401, "Unauthorized");
  }

  async #tokenUser(request: IncomingMessage): Promise<User | undefined> {
    const token = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
    const client = this.#client;
    if (!token || !client) return undefined;
    return this.#reviews.get(token, () => reviewToken(client, token));
  }
}

async function reviewToken(client: KubeClient, token: string): Promise<User | undefined> {
  const { status } = await client.request<TokenReview>({
    method: "POST",
    path: "/apis/authentication.k8s.io/v1/tokenreviews",
    body: { apiVersion: "authentication.k8s.io/v1", kind: "TokenReview", spec: { token } },
  });
  const { username: name, groups = [], ...rest } = status?.user ?? {};
  return status?.authenticated && name ? { ...rest, name, groups } : undefined;
}

/** The user of a connection's certificate of the cluster's CA, if it has shown one. */
export function certificateUser(socket: TLSSocket): User | undefined {
  if (!socket.authorized) return undefined;
  const { subject } = socket.getPeerCertificate();
  // A certificate with several common names is not accepted.
  if (typeof subject?.CN !== "string" || subject.CN === "") return undefined;
  const groups = subject.O as string | string[] | undefined;
  return { name: subject.CN, groups: groups === undefined ? [] : [groups].flat() };
}
