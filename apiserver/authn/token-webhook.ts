import type { TokenReviewStatus } from "@raft2kube/api/gen/authentication/v1.ts";
import { isReason } from "@raft2kube/apimachinery/errors/api-error.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import type { Owner } from "@raft2kube/std/shares.ts";
import {
  REVIEW_TIMEOUT_MS,
  TOKEN_BYTES_MAX,
  TOKEN_CACHE_ENTRIES_MAX,
  TOKEN_WEBHOOK_CACHE_MS,
} from "../limits.ts";
import { AnswerCache } from "../webhook/answer-cache.ts";
import { WebhookError } from "../webhook/errors.ts";
import { type RemoteAccess, RemoteServer } from "../webhook/remote.ts";
import { askReview } from "../webhook/review.ts";
import type { TokenAuthority, TokenVerdict } from "./token-authority.ts";

const log = logger("apiserver");

/** The webhook of `--authentication-token-webhook-config-file`. */
export interface TokenWebhookOptions {
  readonly access: RemoteAccess;
  readonly version: "v1" | "v1beta1";
  /** How long its decisions are known; default TOKEN_WEBHOOK_CACHE_MS. */
  readonly cache_ms?: number;
}

/**
 * Asks a webhook, by TokenReviews, about tokens that no authority before it knows. Tokens that wait
 * for it, those of each sender and in all, are bounded; others do not wait.
 */
export function tokenWebhook(
  { access, version, cache_ms = TOKEN_WEBHOOK_CACHE_MS }: TokenWebhookOptions,
  clock: Clock,
): TokenAuthority & { close(): void } {
  const server = new RemoteServer(access, clock);
  const known = new AnswerCache<TokenVerdict>(clock, TOKEN_CACHE_ENTRIES_MAX);
  const ask = async (token: string, audiences: readonly string[], owner: Owner) => {
    const review = { kind: "TokenReview", version, spec: { token, audiences } } as const;
    const call = { clock, timeout_ms: REVIEW_TIMEOUT_MS, owner };
    return verdictIn(await askReview<TokenReviewStatus>(server, review, call), audiences);
  };
  return {
    async verify(token, audiences, asking) {
      if (token.length > TOKEN_BYTES_MAX) return undefined;
      const seen = known.get([token, audiences]);
      if (seen !== undefined) return seen.answer;
      try {
        const verdict = await ask(token, audiences, asking);
        // One that names an error may be accepted a moment later (upstream).
        const isError = verdict !== undefined && "refused" in verdict;
        if (!isError) known.set([token, audiences], verdict, cache_ms);
        return verdict;
      } catch (thrown) {
        // Nothing is known of the token: its sender may ask again.
        if (isReason(thrown, "TooManyRequests")) throw thrown;
        log.warn("the webhook that authenticates gave no answer", { reason: messageOf(thrown) });
        return { refused: messageOf(thrown) };
      }
    },
    close: () => server.close(),
  };
}

function verdictIn(answer: TokenReviewStatus, audiences: readonly string[]): TokenVerdict {
  const { authenticated, error, user, audiences: named } = answer;
  if (authenticated !== true) return error ? { refused: error } : undefined;
  const { username: name = "", groups = [], extra = {}, uid } = user ?? {};
  if (name === "") throw new WebhookError("the webhook answered with a user that has no name");
  const believed = { user: given({ name, groups, extra, uid: uid || undefined }) };
  if (!named?.length) return believed;
  const granted = named.filter((each) => audiences.includes(each));
  return granted.length === 0 ? undefined : { ...believed, audiences: granted };
}
