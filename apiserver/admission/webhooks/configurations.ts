import type {
  MutatingWebhook,
  ValidatingWebhook,
} from "@raft2kube/api/gen/admissionregistration/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { CacheEvent } from "../../cache/event.ts";
import type { Resources } from "../../resource/resources.ts";
import { MatchConditions } from "../expressions/match-conditions.ts";

/** One webhook of a configuration. */
export interface Hook<T extends ValidatingWebhook = ValidatingWebhook> {
  readonly configuration: string;
  /** Unique among all webhooks of its kind of configuration. */
  readonly uid: string;
  readonly webhook: T;
  readonly conditions: MatchConditions;
}

/** The webhooks of all configurations of a kind, in the order in which they are called. */
class Hooks<T extends ValidatingWebhook> {
  readonly #byConfiguration = new Map<string, readonly Hook<T>[]>();
  all: readonly Hook<T>[] = [];

  take({ type, entry }: CacheEvent): void {
    if (type === "DELETED") this.#byConfiguration.delete(entry.name);
    else {
      const { webhooks = [] } = entry.object<KubeObject & { webhooks?: T[] }>();
      this.#byConfiguration.set(
        entry.name,
        webhooks.map((webhook, index) => ({
          configuration: entry.name,
          uid: `${entry.name}/${webhook.name}/${index}`,
          webhook,
          conditions: new MatchConditions(webhook.matchConditions),
        })),
      );
    }
    this.all = [...this.#byConfiguration]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([, hooks]) => hooks);
  }
}

const GROUP_VERSION = "admissionregistration.k8s.io/v1";

/** The configurations of webhooks as the watch caches have them. */
export class WebhookConfigurations {
  readonly #mutating = new Hooks<MutatingWebhook>();
  readonly #validating = new Hooks<ValidatingWebhook>();
  readonly #stops: (() => void)[] = [];

  /** Follows both kinds; resolves once all configurations have been read. */
  static async follow(resources: Resources): Promise<WebhookConfigurations> {
    const made = new WebhookConfigurations();
    for (const [plural, hooks] of [
      ["mutatingwebhookconfigurations", made.#mutating],
      ["validatingwebhookconfigurations", made.#validating],
    ] as const) {
      const cache = await resources.of(GROUP_VERSION, plural).cache();
      made.#stops.push(cache.subscribe((event) => hooks.take(event)));
    }
    return made;
  }

  get mutating(): readonly Hook<MutatingWebhook>[] {
    return this.#mutating.all;
  }

  get validating(): readonly Hook[] {
    return this.#validating.all;
  }

  close(): void {
    for (const stop of this.#stops) stop();
  }
}
