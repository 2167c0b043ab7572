import type { Secret, ServiceAccount } from "@raft2kube/api/gen/core/v1.ts";
import { ignoreLostRace, undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import { keyOf, nameOf } from "@raft2kube/client-kube/object/object.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { SECRETS, SERVICE_ACCOUNTS } from "@raft2kube/client-kube/rest/resources.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { readSigningKey, type SigningKey, signToken } from "@raft2kube/pki/service-account-key.ts";
import type { ControllerContext, Running } from "../context.ts";
import { startLoop } from "../loop.ts";
import { accountKeyOf, completed, isFor, TOKEN_TYPE, withoutReference } from "./plan.ts";

const CONTROLLER = "tokens-controller";
const BY_ACCOUNT = "account";

/**
 * Gives each Secret of type service-account-token the token of the ServiceAccount that it names,
 * deletes those whose account is gone, and takes a deleted Secret out of its account's list.
 */
export function startServiceAccountTokens(context: ControllerContext): Running {
  const { informers, settings } = context;
  if (settings.serviceAccountKey === undefined) {
    logger(CONTROLLER).info("does not run: no key to sign with is configured");
    return { close: async () => undefined };
  }
  const signer = readSigningKey(settings.serviceAccountKey);
  const secrets = informers.of(SECRETS, { fieldSelector: `type=${TOKEN_TYPE}` });
  const accounts = informers.of(SERVICE_ACCOUNTS);
  secrets.index(BY_ACCOUNT, (secret) => [accountKeyOf(secret)].filter((key) => key !== undefined));
  const writer = new TokenWriter(context, signer, (key) => accounts.store.get(key));

  /** Deleted Secrets by their key, until their accounts were looked at. */
  const gone = new Map<string, Secret>();
  const reconcile = async (key: string) => {
    const present = secrets.store.get(key);
    if (present) await writer.complete(present);
    else if (gone.has(key)) await writer.forget(gone.get(key)!);
    gone.delete(key);
  };

  const reads = [secrets, accounts];
  const loop = startLoop(context, {
    queue: "serviceaccount_tokens_secret",
    name: CONTROLLER,
    reads,
    reconcile,
  });
  const look = (secret: Secret) => loop.queue.add(keyOf(secret));
  secrets.handle({
    added: look,
    updated: look,
    deleted(secret) {
      gone.set(keyOf(secret), secret);
      look(secret);
    },
  });
  const lookAtTokens = (account: ServiceAccount) =>
    secrets.store.by(BY_ACCOUNT, keyOf(account)).forEach(look);
  accounts.handle({ added: lookAtTokens, deleted: lookAtTokens });
  return loop;
}

/** Writes Secrets and accounts, each after a look at the apiserver's copy. */
class TokenWriter {
  readonly #secrets: ResourceClient<Secret>;
  readonly #accounts: ResourceClient<ServiceAccount>;
  readonly #rootCa: string;
  readonly #signer: SigningKey;
  readonly #cached: (key: string) => ServiceAccount | undefined;

  constructor(
    { manager, settings }: ControllerContext,
    signer: SigningKey,
    cached: (key: string) => ServiceAccount | undefined,
  ) {
    this.#secrets = manager.resource(SECRETS);
    this.#accounts = manager.resource(SERVICE_ACCOUNTS);
    this.#rootCa = settings.rootCa;
    this.#signer = signer;
    this.#cached = cached;
  }

  /** Gives a Secret what it lacks, or deletes it if its account is gone. */
  async complete(secret: Secret): Promise<void> {
    if (secret.metadata.deletionTimestamp !== undefined) return;
    if (accountKeyOf(secret) === undefined) return;
    const account = await this.#accountOf(secret);
    if (!account) return this.#delete(secret);
    const sign = (claims: Record<string, unknown>) => signToken(claims, this.#signer);
    if (!(await completed(secret, account, this.#rootCa, sign))) return;
    const live = await undefinedIfNotFound(this.#secrets.get(nameOf(secret)));
    if (!live || live.metadata.uid !== secret.metadata.uid) return;
    const whole = await completed(live, account, this.#rootCa, sign);
    if (whole) await this.#secrets.update(whole);
  }

  /** Takes a deleted Secret out of its account's list. */
  async forget(secret: Secret): Promise<void> {
    const name = secret.metadata.name ?? "";
    if (accountKeyOf(secret) === undefined) return;
    const account = await this.#accountOf(secret);
    if (!account || !withoutReference(account, name)) return;
    if (await undefinedIfNotFound(this.#secrets.get(nameOf(secret)))) return;
    const live = await undefinedIfNotFound(this.#accounts.get(nameOf(account)));
    const changed = live && withoutReference(live, name);
    if (changed) await this.#accounts.update(changed);
  }

  /** The account that a Secret names; undefined if it is gone or another of that name. */
  async #accountOf(secret: Secret): Promise<ServiceAccount | undefined> {
    const key = accountKeyOf(secret) ?? "";
    const cached = this.#cached(key);
    if (cached && isFor(secret, cached)) return cached;
    // An account that was made again may not have arrived yet.
    const [namespace = "", name = ""] = key.split("/");
    const live = await undefinedIfNotFound(this.#accounts.get({ namespace, name }));
    return live && isFor(secret, live) ? live : undefined;
  }

  async #delete(secret: Secret): Promise<void> {
    const { uid, resourceVersion } = secret.metadata;
    logger(CONTROLLER).info("deleted: its account is gone", { secret: nameOf(secret) });
    await ignoreLostRace(
      this.#secrets.delete(nameOf(secret), { preconditions: { uid, resourceVersion } }),
    );
  }
}
