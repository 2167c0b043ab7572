import type { TokenRequest } from "@raft2kube/api/gen/authentication/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { SERVICE_ACCOUNTS } from "@raft2kube/client-kube/rest/resources.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { TOKEN_REFRESH_AT, TOKEN_REFRESH_MS_MAX, TOKENS_CACHED_MAX } from "../limits.ts";
import { nameOf, namespaceOf, uidOf } from "../pods/pod-identity.ts";
import type { IssuedToken, TokenRequestFields } from "../pods/pod-objects.ts";

/**
 * Caches tokens of pods' service accounts, bound to the pod, until TOKEN_REFRESH_AT of their
 * lifetime. The volume that holds one is set up again in time and gets the new token.
 */
export class ServiceAccountTokens {
  readonly #client: KubeClient;
  readonly #clock: Clock;
  readonly #tokens = new Map<string, IssuedToken & { refresh_ms: number }>();

  constructor(client: KubeClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  async get(pod: Pod, fields: TokenRequestFields): Promise<IssuedToken> {
    const account = pod.spec.serviceAccountName ?? "default";
    const key = JSON.stringify([uidOf(pod), account, fields]);
    const cached = this.#tokens.get(key);
    const now_ms = this.#clock.now();
    if (cached && now_ms < cached.refresh_ms) return cached;
    const where = { namespace: namespaceOf(pod), name: account };
    const { status } = await this.#client
      .resource(SERVICE_ACCOUNTS)
      .createSubresource<TokenRequest>(where, "token", {
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenRequest",
        spec: {
          audiences: fields.audiences,
          expirationSeconds: fields.expirationSeconds,
          boundObjectRef: { apiVersion: "v1", kind: "Pod", name: nameOf(pod), uid: uidOf(pod) },
        },
      });
    const expires_ms = Date.parse(status?.expirationTimestamp ?? "");
    const lifetime_ms = (expires_ms - now_ms) * TOKEN_REFRESH_AT;
    const refresh_ms = now_ms + Math.min(lifetime_ms, TOKEN_REFRESH_MS_MAX);
    const issued = { token: status?.token ?? "", expires_ms, refresh_ms };
    this.#tokens.delete(key);
    this.#tokens.set(key, issued);
    const [oldest] = this.#tokens.keys();
    if (this.#tokens.size > TOKENS_CACHED_MAX && oldest) this.#tokens.delete(oldest);
    return issued;
  }
}
