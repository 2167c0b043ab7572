import type { Followed } from "@raft2kube/reconcile/followed-file.ts";
import type { AuthenticationConfig } from "./jwt/config.ts";
import type { TokenWebhookOptions } from "./token-webhook.ts";

/** Authentication besides certificates, service accounts and bootstrap tokens. */
export interface AuthenticationOptions {
  /** The issuers whose tokens are accepted. */
  readonly config?: Followed<AuthenticationConfig>;
  /** Lines of static tokens. */
  readonly tokenFile?: string;
  readonly webhook?: TokenWebhookOptions;
  /** Whether requests without credentials are served, where `config` does not say. */
  readonly anonymous?: boolean;
}

/** Whether a request for `path` without credentials is anonymous; otherwise it gets 401. */
export function mayBeAnonymous(
  { config, anonymous = true }: AuthenticationOptions,
  path: string,
): boolean {
  const { enabled, conditions = [] } = config?.current.anonymous ?? { enabled: anonymous };
  return enabled && (conditions.length === 0 || conditions.some((each) => each.path === path));
}
