import type { TokenRequest } from "@raft2kube/api/gen/authentication/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { SERVICE_ACCOUNTS } from "@raft2kube/client-kube/rest/resources.ts";
import { type LogFields, logger } from "@raft2kube/observe/log.ts";
import { recurring } from "@raft2kube/observe/recurring.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { RecentMap } from "@raft2kube/std/recent-map.ts";
import type { FairTurns } from "@raft2kube/std/turns.ts";
import { resultWithin } from "@raft2kube/std/wait.ts";
import {
  OBJECT_WAIT_MS,
  TOKEN_REFRESH_AT,
  TOKEN_REFRESH_MS_MAX,
  TOKENS_CACHED_MAX,
} from "../limits.ts";
import { fullNameOf, nameOf, namespaceOf, uidOf } from "../pods/pod-identity.ts";
import type { IssuedToken, TokenRequestFields } from "../pods/pod-objects.ts";

const log = logger("kubelet-tokens");

type CachedToken = IssuedToken & { refresh_ms: number };

/**
 * Caches tokens of pods' service accounts, bound to the pod, until TOKEN_REFRESH_AT of their
 * lifetime. The volume that holds one is set up again in time and gets the new token. One that
 * cannot be replaced within OBJECT_WAIT_MS is used until it expires.
 */
export class ServiceAccountTokens {
  readonly #client: KubeClient;
  readonly #clock: Clock;
  /** Logs a token that is used although it is due. */
  readonly #kept: (fields: LogFields) => void;
  readonly #turns: FairTurns;
  readonly #tokens = new RecentMap<string, CachedToken>(TOKENS_CACHED_MAX);
  /** Requests under way: one that the API server does not answer outlasts those who wait. */
  readonly #issuing = new Map<string, Promise<CachedToken>>();

  /** Tokens are asked for in `turns`, whose owners are namespaces. */
  constructor(client: KubeClient, clock: Clock, turns: FairTurns) {
    this.#client = client;
    this.#clock = clock;
    this.#kept = recurring(log, "a token cannot be replaced, the last one is used", clock);
    this.#turns = turns;
  }

  async get(pod: Pod, fields: TokenRequestFields): Promise<IssuedToken> {
    const account = pod.spec.serviceAccountName ?? "default";
    const key = JSON.stringify([uidOf(pod), account, fields]);
    const cached = this.#tokens.get(key);
    const now_ms = this.#clock.now();
    if (cached && now_ms < cached.refresh_ms) return cached;
    const issuing =
      this.#issuing.get(key) ??
      this.#issueInTurn(pod, account, fields, key).finally(() => this.#issuing.delete(key));
    this.#issuing.set(key, issuing);
    if (!cached || cached.expires_ms <= now_ms + OBJECT_WAIT_MS) return issuing;
    const orCached = issuing.catch((thrown: unknown) => {
      this.#kept({ pod: fullNameOf(pod), account, error: messageOf(thrown) });
      return cached;
    });
    return resultWithin(this.#clock, orCached, OBJECT_WAIT_MS, () => cached);
  }

  async #issueInTurn(
    pod: Pod,
    account: string,
    fields: TokenRequestFields,
    key: string,
  ): Promise<CachedToken> {
    const issue = () => this.#issue(pod, account, fields);
    const issued = await this.#turns.run(namespaceOf(pod), issue);
    this.#tokens.set(key, issued);
    return issued;
  }

  async #issue(pod: Pod, account: string, fields: TokenRequestFields): Promise<CachedToken> {
    const now_ms = this.#clock.now();
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
    return { token: status?.token ?? "", expires_ms, refresh_ms };
  }
}
