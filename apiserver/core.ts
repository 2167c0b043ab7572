import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { Random } from "@raft2kube/std/random.ts";
import type { Admission } from "./admission/chain.ts";
import type { Authenticator } from "./authn/authenticator.ts";
import type { TokenIssuer } from "./authn/token-issuer.ts";
import type { Authorizer } from "./authz/authorizer.ts";
import type { RoleIndex } from "./authz/rbac/role-index.ts";
import type { Figures } from "./metrics/metrics.ts";
import type { ApiserverOptions } from "./options.ts";
import type { Registry } from "./resource/resources.ts";

/** What the rooms of one apiserver share. Made in `main.ts`, passed to whoever needs it. */
export interface Core {
  readonly options: ApiserverOptions;
  readonly clock: Clock;
  readonly random: Random;
  readonly etcd: EtcdClient;
  readonly registry: Registry;
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  /** Roles and bindings, for authorization and for what may be granted. */
  readonly roles: RoleIndex;
  readonly admission: Admission;
  readonly tokens: TokenIssuer;
  /** What is measured. */
  readonly figures: Figures;
  /** Aborted when the server begins to close. */
  readonly closing: AbortSignal;
}
