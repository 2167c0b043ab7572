import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import type { Informer } from "@raft2kube/client-kube/informer.ts";
import { keyOf, type KubeObject } from "@raft2kube/client-kube/object.ts";
import type { Logger } from "@raft2kube/observe/log.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { Rules } from "./apply/nftables/apply.ts";
import { forgetStaleFlows } from "./apply/stale-flows.ts";
import { GATHER_MS, RETRY_FIRST_MS, RETRY_MAX_MS, VERIFY_MS } from "./limits.ts";
import type { ServicePort } from "./plan/model.ts";
import { planService } from "./plan/service.ts";
import { type StaleFlow, staleFlows } from "./plan/stale-flows.ts";
import { reservedBy } from "./reserved.ts";

/** The label by which a slice names its Service. */
const SERVICE_NAME = "kubernetes.io/service-name";
const BY_SERVICE = "service";

export interface LoopOptions {
  services: Informer<Service>;
  slices: Informer<EndpointSlice>;
  rules: Rules;
  nodeName: string;
  /** IPv4 addresses by which this node reaches the API; resolved for each rebuild. */
  apiServers(): Promise<readonly string[]>;
  clock: Clock;
  log: Logger;
}

/**
 * Connects plan and rules: gathers the Services that changed, plans those, applies the difference.
 * One transaction is under way at a time; a refusal by the kernel is followed by a rebuild of all.
 */
export class ProxyLoop {
  readonly #options: LoopOptions;
  readonly #dirty = new Set<string>();
  /** What is applied, by Service. */
  readonly #applied = new Map<string, Map<string, ServicePort>>();
  readonly #told = new Map<string, string>();
  /** Connections to forget once the rules that replace theirs stand. */
  readonly #stale: StaleFlow[] = [];
  readonly #release: (() => void)[] = [];
  #timer: Timer | undefined;
  #verify: Timer | undefined;
  #running: Promise<void> | undefined;
  #rebuild = true;
  #apiServers: readonly string[] = [];
  #retry_ms = RETRY_FIRST_MS;
  #closed = false;
  #firstDone: () => void = () => {};
  /** Resolves when the rules stand for the first time. */
  readonly ready: Promise<void>;

  constructor(options: LoopOptions) {
    this.#options = options;
    this.ready = new Promise((resolve) => {
      this.#firstDone = resolve;
    });
    options.slices.index(BY_SERVICE, (slice) => serviceKeys(slice));
  }

  /** Listens for changes; the first rules are made once both informers have their list. */
  async start(): Promise<void> {
    const { services, slices } = this.#options;
    const touch = (service: Service) => this.#touch(keyOf(service));
    const touchOf = (slice: EndpointSlice) => {
      for (const key of serviceKeys(slice)) this.#touch(key);
    };
    this.#release.push(services.handle({ added: touch, updated: touch, deleted: touch }));
    this.#release.push(slices.handle({
      added: touchOf,
      deleted: touchOf,
      updated(slice, old) {
        touchOf(slice);
        touchOf(old);
      },
    }));
    services.start();
    slices.start();
    await Promise.all([services.synced, slices.synced]);
    this.#schedule(0);
    this.#verifyLater();
  }

  /** Rules that somebody took away come back, though no Service changes. */
  #verifyLater(): void {
    if (this.#closed) return;
    const { clock, rules, log } = this.#options;
    this.#verify = clock.after(VERIFY_MS, () => {
      if (!this.#running && !this.#rebuild && !rules.present()) {
        log.warn("the rules are gone: somebody flushed them; building them anew");
        this.#rebuild = true;
        this.#schedule(0);
      }
      this.#verifyLater();
    });
  }

  /** Stops; the rules stay, so that connections go on. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    this.#verify?.cancel();
    for (const release of this.#release) release();
    await this.#running;
    await Promise.all([this.#options.services.close(), this.#options.slices.close()]);
  }

  #touch(service: string): void {
    this.#dirty.add(service);
    this.#schedule(GATHER_MS);
  }

  #schedule(after_ms: number): void {
    const { services, slices, clock } = this.#options;
    if (this.#closed || this.#timer || this.#running) return;
    if (!services.hasSynced || !slices.hasSynced) return;
    this.#timer = clock.after(after_ms, () => {
      this.#timer = undefined;
      this.#running = this.#sync().then((again_ms) => {
        this.#running = undefined;
        if (again_ms > 0) this.#schedule(again_ms);
        else if (this.#dirty.size > 0) this.#schedule(GATHER_MS);
      });
    });
  }

  /**
   * Applies what is dirty; resolves with the pause before it has to be tried again, 0 for never.
   */
  async #sync(): Promise<number> {
    const { rules, log, apiServers } = this.#options;
    const changes = new Map<string, ServicePort | undefined>();
    const dirty = this.#rebuild ? this.#allKeys() : [...this.#dirty];
    this.#dirty.clear();
    try {
      if (this.#rebuild) this.#apiServers = await apiServers();
      for (const service of dirty) this.#plan(service, changes);
      if (this.#rebuild) await rules.rebuild([...this.#allPorts()], this.#apiServers);
      else await rules.change(changes);
      this.#rebuild = false;
      this.#retry_ms = RETRY_FIRST_MS;
      forgetStaleFlows(this.#stale.splice(0));
      for (const key of changes.keys()) this.#tellConflicts(key);
      this.#firstDone();
      return 0;
    } catch (thrown) {
      const again_ms = this.#retry_ms;
      log.error("the rules could not be applied; building them anew", {
        error: messageOf(thrown), again_ms,
      });
      this.#rebuild = true;
      this.#retry_ms = Math.min(again_ms * 2, RETRY_MAX_MS);
      return again_ms;
    }
  }

  #plan(name: string, changes: Map<string, ServicePort | undefined>): void {
    const { services, slices, nodeName } = this.#options;
    const service = services.store.get(name);
    const reserved = reservedBy(this.#apiServers);
    const plan = service
      ? planService(service, slices.store.by(BY_SERVICE, name), nodeName, reserved)
      : { ports: [], problems: [] };
    this.#tell(name, plan.problems.join("; "));
    const before = this.#applied.get(name);
    const now = new Map(plan.ports.map((port) => [port.key, port]));
    for (const key of new Set([...(before?.keys() ?? []), ...now.keys()])) {
      changes.set(key, now.get(key));
      this.#stale.push(...staleFlows(before?.get(key), now.get(key)));
    }
    if (now.size > 0) this.#applied.set(name, now);
    else this.#applied.delete(name);
  }

  #allKeys(): string[] {
    const { services } = this.#options;
    return [...new Set([...services.store.list().map(keyOf), ...this.#applied.keys()])];
  }

  *#allPorts(): Iterable<ServicePort> {
    for (const ports of this.#applied.values()) yield* ports.values();
  }

  /** Logs a Service's problems when they are others than before. */
  #tell(service: string, problems: string): void {
    if ((this.#told.get(service) ?? "") === problems) return;
    if (problems === "") this.#told.delete(service);
    else {
      this.#told.set(service, problems);
      this.#options.log.warn("a Service is not served as it asks", { service, problems });
    }
  }

  #tellConflicts(port: string): void {
    const conflicts = this.#options.rules.conflicts(port);
    const text = conflicts.map(({ key, holder }) => `${key} is held by ${holder}`).join("; ");
    this.#tell(port, text);
  }
}

function serviceKeys({ metadata }: KubeObject): string[] {
  const name = metadata.labels?.[SERVICE_NAME];
  return name === undefined ? [] : [`${metadata.namespace}/${name}`];
}
