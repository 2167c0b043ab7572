import type { Secret } from "@raft2kube/api/gen/core/v1.ts";
import { ignoreLostRace } from "@raft2kube/client-kube/errors.ts";
import { nameOf } from "@raft2kube/client-kube/object/object.ts";
import {
  CONFIG_MAPS,
  PODS,
  SECRETS,
  SERVICE_ACCOUNTS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { forEach } from "@raft2kube/reconcile/each.ts";
import type { ControllerContext, Running } from "../context.ts";
import { byNamespace, NAMESPACE_INDEX } from "../indexes.ts";
import { LEGACY_TOKEN_UNUSED_MS, LEGACY_TOKENS_LOOK_MS } from "../limits.ts";
import { startLoop } from "../loop.ts";
import { INVALID_SINCE, LEGACY_TOKENS, planCleanUp } from "./plan.ts";

const ACCOUNT = "legacy-service-account-token-cleaner";
const RECORD = {
  namespace: "kube-system",
  name: "kube-apiserver-legacy-service-account-token-tracking",
};

/** Marks generated tokens that are not used as invalid, and deletes them later. */
export function startLegacyTokenCleaner(context: ControllerContext): Running {
  const { clock, informers, settings } = context;
  const secrets = informers.of(SECRETS, LEGACY_TOKENS);
  const accounts = informers.of(SERVICE_ACCOUNTS);
  const pods = informers.of(PODS);
  pods.index(NAMESPACE_INDEX, byNamespace);
  const client = context.client(ACCOUNT);
  const writer = client.resource(SECRETS);
  const log = logger(ACCOUNT);

  const invalidate = async (secret: Secret, today: string) => {
    const { uid } = secret.metadata;
    log.info("marked as invalid", { secret: nameOf(secret), since: today });
    const metadata = { uid, labels: { [INVALID_SINCE]: today } };
    await writer.patch(nameOf(secret), "merge", { metadata });
  };
  const remove = async (secret: Secret) => {
    const { uid, resourceVersion } = secret.metadata;
    log.info("deleted", { secret: nameOf(secret) });
    await writer.delete(nameOf(secret), { preconditions: { uid, resourceVersion } });
  };
  const unlessChanged = async (write: Promise<void>) => {
    await ignoreLostRace(write);
  };

  const reconcile = async () => {
    const record = await client.resource(CONFIG_MAPS).get(RECORD);
    const plan = planCleanUp({
      secrets: secrets.store.list(),
      accountOf: (namespace, name) => accounts.store.get(`${namespace}/${name}`),
      podsIn: (namespace) => pods.store.by(NAMESPACE_INDEX, namespace),
      trackedSince: record.data?.["since"],
      now_ms: clock.now(),
      period_ms: settings.legacyTokenUnused_ms ?? LEGACY_TOKEN_UNUSED_MS,
    });
    const writes = [
      ...plan.invalidate.map((secret) => () => invalidate(secret, plan.today)),
      ...plan.delete.map((secret) => () => remove(secret)),
    ];
    await forEach(writes, (write) => unlessChanged(write()));
    return { again_ms: LEGACY_TOKENS_LOOK_MS };
  };

  const reads = [secrets, accounts, pods];
  const loop = startLoop(context, { name: ACCOUNT, reads, workers: 1, reconcile });
  loop.queue.add("all");
  return loop;
}
