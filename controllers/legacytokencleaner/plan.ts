import { objectsNamedBy, reference } from "@raft2kube/api/core/v1/pod/references.ts";
import type { Pod, Secret, ServiceAccount } from "@raft2kube/api/gen/core/v1.ts";
import { timeOf } from "@raft2kube/client-kube/object/time.ts";
import { MS_PER_DAY } from "@raft2kube/std/clock.ts";

/** The Secrets that can hold a token of a ServiceAccount without an end. */
export const LEGACY_TOKENS = { fieldSelector: "type=kubernetes.io/service-account-token" };
export const INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since";
const LAST_USED = "kubernetes.io/legacy-token-last-used";
const ACCOUNT_NAME = "kubernetes.io/service-account.name";
const ACCOUNT_UID = "kubernetes.io/service-account.uid";
const DATE = /^\d{4}-\d\d-\d\d$/;

/** The cluster as the cleaner reads it. */
export interface TokenUse {
  secrets: readonly Secret[];
  accountOf(namespace: string, name: string): ServiceAccount | undefined;
  podsIn(namespace: string): readonly Pod[];
  /** The day since which the apiserver notes the use of tokens, `2026-01-31`. */
  trackedSince: string | undefined;
  now_ms: number;
  /** How long a token must be unused, and then invalid. */
  period_ms: number;
}

/** Tokens to label as invalid from `today` on, and those to delete. */
export type CleanUp = { today: string; invalidate: Secret[]; delete: Secret[] };

/**
 * The tokens that were generated for a ServiceAccount (it lists their Secret), that no pod names,
 * and that have not been used for the period: they are marked as invalid, which the apiserver
 * refuses, and deleted after another period. Nothing before uses have been noted for a period.
 */
export function planCleanUp(use: TokenUse): CleanUp {
  const { now_ms, period_ms } = use;
  const plan: CleanUp = { today: dayOf(now_ms), invalidate: [], delete: [] };
  const since_ms = isDate(use.trackedSince) ? Date.parse(use.trackedSince) : undefined;
  // Of the first day only a part was noted.
  if (since_ms === undefined || now_ms < since_ms + MS_PER_DAY + period_ms) return plan;
  const keepFrom = dayOf(now_ms - period_ms);
  const named = new Map<string, Set<string>>();
  for (const secret of use.secrets) {
    if (!isUnused(secret, now_ms - period_ms, keepFrom)) continue;
    const { namespace = "", name = "", labels = {} } = secret.metadata;
    if (!isGenerated(secret, use)) continue;
    let names = named.get(namespace);
    if (names === undefined) named.set(namespace, (names = namedByPods(use.podsIn(namespace))));
    if (names.has(reference("secrets", namespace, name))) continue;
    const invalidSince = labels[INVALID_SINCE];
    if (!isDate(invalidSince)) plan.invalidate.push(secret);
    else if (invalidSince < keepFrom) plan.delete.push(secret);
  }
  return plan;
}

/** Whether a token is old and was not used lately. When the label is no date, that is unknown. */
function isUnused({ metadata }: Secret, keepFrom_ms: number, keepFrom: string): boolean {
  const created_ms = timeOf(metadata.creationTimestamp) ?? keepFrom_ms;
  if (created_ms >= keepFrom_ms || metadata.deletionTimestamp !== undefined) return false;
  const lastUsed = metadata.labels?.[LAST_USED];
  return lastUsed === undefined || (isDate(lastUsed) && lastUsed < keepFrom);
}

function isGenerated({ metadata }: Secret, use: TokenUse): boolean {
  const { [ACCOUNT_NAME]: account = "", [ACCOUNT_UID]: uid = "" } = metadata.annotations ?? {};
  const found = use.accountOf(metadata.namespace ?? "", account);
  if (!found || (uid !== "" && uid !== found.metadata.uid)) return false;
  return found.secrets?.some(({ name }) => name === metadata.name) ?? false;
}

const namedByPods = (pods: readonly Pod[]): Set<string> =>
  new Set(pods.flatMap((pod) => [...objectsNamedBy(pod)]));

const dayOf = (at_ms: number): string => new Date(at_ms).toISOString().slice(0, 10);

const isDate = (text: string | undefined): text is string =>
  text !== undefined && DATE.test(text) && !Number.isNaN(Date.parse(text));
