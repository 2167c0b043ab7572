import type { Node, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { keyOf, type KubeObject } from "@raft2kube/client-kube/object/object.ts";
import type { forgetFlows } from "@raft2kube/linux/netfilter/conntrack.ts";
import type { Logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { forgetKnownFlows } from "./apply/known-flows.ts";
import type { Rules } from "./apply/rules.ts";
import { deleteStaleFlows, keptOf, straysOf } from "./apply/stale-flows.ts";
import type { HealthChecks } from "./health-checks.ts";
import {
  FULL_SYNC_MS, PROBLEMS_LOGGED_MAX, RETRY_FIRST_MS, RETRY_MS_MAX, SYNC_DELAY_MS, VERIFY_MS,
  VERIFY_PAUSE_FACTOR,
} from "./limits.ts";
import type { ServicePlan, ServicePort } from "./plan/model.ts";
import { planService, type Reservation } from "./plan/service.ts";
import { type StaleFlow, staleFlows } from "./plan/stale-flows.ts";
import { nodeAddresses, reservedBy } from "./reserved.ts";

/** The label that names a slice's Service. */
const SERVICE_NAME = "kubernetes.io/service-name";
const BY_SERVICE = "service";
const ZONE = "topology.kubernetes.io/zone";

export interface LoopOptions {
  services: Informer<Service>;
  slices: Informer<EndpointSlice>;
  rules: Rules;
  /** Removes what other modes left; called once, after the first sync, so that there is no gap. */
  removeOthers(): Promise<void>;
  healthChecks: HealthChecks;
  /** This node alone: its zone chooses among the endpoints with hints. */
  nodes: Informer<Node>;
  nodeName: string;
  /** Returns the IPv4 addresses by which this node reaches the API; called for each rebuild. */
  apiServers(): Promise<readonly string[]>;
  /** Deletes conntrack entries; by default the kernel's. */
  forgetFlows?: typeof forgetFlows;
  clock: Clock;
  log: Logger;
}

/** The outcome of a proxy's syncs until now. */
export interface SyncState {
  /** Whether the rules were applied, and those of other modes removed, once. */
  readonly isApplied: boolean;
  /** Syncs in a row that failed. */
  readonly failures: number;
  /** The message of the last of these. */
  readonly error?: string;
}

/**
 * Connects informers, plan and rules: collects the Services that changed, plans them and applies
 * the difference. One transaction runs at a time; a rebuild of the table follows a failed one.
 */
export class ProxyLoop {
  readonly #options: LoopOptions;
  readonly #forget: typeof forgetFlows;
  readonly #dirty = new Set<string>();
  /** Planned ports by Service and port key. */
  readonly #planned = new Map<string, Map<string, ServicePort>>();
  readonly #logged = new Map<string, string>();
  /** Entries to delete once the new rules are applied. */
  readonly #stale: StaleFlow[] = [];
  readonly #release: (() => void)[] = [];
  readonly #passes: Runner;
  #rebuild = true;
  #othersRemoved = false;
  #rebuilt_ms = 0;
  /** When the kernel's rules are compared next (monotonic). */
  #verify_ms = 0;
  #apiServers: readonly string[] = [];
  #state: SyncState = { isApplied: false, failures: 0 };
  #firstDone: () => void = () => {};
  /** Resolves when the rules are applied for the first time. */
  readonly ready: Promise<void>;

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#forget = forgetKnownFlows(options.log, options.forgetFlows);
    this.ready = new Promise((resolve) => {
      this.#firstDone = resolve;
    });
    options.slices.index(BY_SERVICE, (slice) => serviceKeys(slice));
    const logFailure = failureLog(options.log, "the rules could not be applied; rebuilding them");
    this.#passes = new Runner({
      clock: options.clock,
      min_ms: SYNC_DELAY_MS,
      retry: { first_ms: RETRY_FIRST_MS, most_ms: RETRY_MS_MAX },
      run: () => this.#pass(),
      report: (thrown) => {
        logFailure(thrown);
        if (thrown !== undefined) this.#failed(messageOf(thrown));
      },
    });
  }

  get state(): SyncState {
    return this.#state;
  }

  /** Starts the informers; resolves when all are synchronized and the first sync is scheduled. */
  async start(): Promise<void> {
    const { services, slices, nodes } = this.#options;
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
    const place = (node: Node, before?: Node) => {
      if (zoneOf(node) === zoneOf(before)) return;
      for (const key of this.#allKeys()) this.#touch(key);
    };
    this.#release.push(nodes.handle({ added: place, updated: place }));
    services.start();
    slices.start();
    nodes.start();
    await Promise.all([services.synced, slices.synced, nodes.synced]);
    this.#passes.request(0);
  }

  /** Compares the rules if that is due, and applies what changed; resolves with the pause. */
  async #pass(): Promise<number> {
    const { clock } = this.#options;
    if (!this.#rebuild && clock.monotonic() >= this.#verify_ms) await this.#check();
    if (this.#rebuild || this.#dirty.size > 0) await this.#sync();
    return this.#verify_ms - clock.monotonic();
  }

  /** Demands a rebuild if another program changed the rules. */
  async #check(): Promise<void> {
    const { clock, rules, log } = this.#options;
    const start_ms = clock.monotonic();
    try {
      if (!(await rules.intact())) {
        log.warn("rules are missing: another program changed them; rebuilding them");
        this.#rebuild = true;
      } else if (start_ms - this.#rebuilt_ms > FULL_SYNC_MS) this.#rebuild = true;
    } catch (thrown) {
      log.warn("the rules could not be compared", { error: messageOf(thrown) });
      this.#rebuild = true;
    }
    this.#verifyAfter(clock.monotonic() - start_ms);
  }

  /** Sets the time of the next comparison, after one that took `took_ms`. */
  #verifyAfter(took_ms: number): void {
    const pause_ms = Math.max(VERIFY_MS, took_ms * VERIFY_PAUSE_FACTOR);
    this.#verify_ms = this.#options.clock.monotonic() + pause_ms;
  }

  /** Stops the loop and keeps the rules, so that connections continue. */
  async close(): Promise<void> {
    for (const release of this.#release) release();
    await this.#passes.close();
    await this.#options.rules.close();
    this.#options.healthChecks.close();
    const { services, slices, nodes } = this.#options;
    await Promise.all([services.close(), slices.close(), nodes.close()]);
  }

  #touch(service: string): void {
    this.#dirty.add(service);
    const { services, slices, nodes } = this.#options;
    const hasSynced = services.hasSynced && slices.hasSynced && nodes.hasSynced;
    if (hasSynced) this.#passes.request();
  }

  /** Applies the changed Services, or all of them after a failure. */
  async #sync(): Promise<void> {
    const { rules, clock, apiServers } = this.#options;
    const changes = new Map<string, ServicePort | undefined>();
    const dirty = this.#rebuild ? this.#allKeys() : [...this.#dirty];
    this.#dirty.clear();
    if (this.#rebuild) this.#apiServers = await apiServers();
    const own = nodeAddresses(); // of up to 10,000 addresses in IPVS mode
    const reserved = reservedBy(this.#apiServers, own);
    for (const service of dirty) this.#plan(service, changes, reserved);
    const isRebuild = this.#rebuild;
    if (isRebuild) await rules.rebuild([...this.#allPorts()], this.#apiServers);
    else await rules.change(changes);
    if (isRebuild) {
      this.#rebuilt_ms = clock.monotonic();
      this.#verifyAfter(0);
    }
    this.#rebuild = false;
    await this.#removeOthers();
    const applied = isRebuild ? this.#allPorts() : changes.values();
    deleteStaleFlows(this.#stale, {
      strays: straysOf(applied, this.#allPorts(), own),
      kept: keptOf(this.#stale, this.#allPorts(), own),
      forget: this.#forget,
    });
    this.#stale.length = 0;
    for (const key of changes.keys()) this.#logConflicts(key);
    this.#state = { isApplied: true, failures: 0 };
    this.#firstDone();
  }

  #failed(error: string): void {
    this.#state = { ...this.#state, failures: this.#state.failures + 1, error };
    this.#rebuild = true;
  }

  async #removeOthers(): Promise<void> {
    if (this.#othersRemoved) return;
    await this.#options.removeOthers();
    this.#othersRemoved = true;
  }

  #plan(
    name: string,
    changes: Map<string, ServicePort | undefined>,
    reserved: Reservation,
  ): void {
    const { services, slices, nodes, nodeName } = this.#options;
    const service = services.store.get(name);
    const zone = zoneOf(nodes.store.get(nodeName));
    const plan: ServicePlan = service
      ? planService(service, slices.store.by(BY_SERVICE, name), nodeName, reserved, zone)
      : { ports: [], problems: [] };
    this.#logProblems(name, listed(plan.problems));
    this.#options.healthChecks.update(name, plan.healthCheck);
    const before = this.#planned.get(name);
    const now = new Map(plan.ports.map((port) => [port.key, port]));
    for (const key of new Set([...(before?.keys() ?? []), ...now.keys()])) {
      changes.set(key, now.get(key));
      this.#stale.push(...staleFlows(before?.get(key), now.get(key)));
    }
    if (now.size > 0) this.#planned.set(name, now);
    else this.#planned.delete(name);
  }

  #allKeys(): string[] {
    const { services } = this.#options;
    return [...new Set([...services.store.list().map(keyOf), ...this.#planned.keys()])];
  }

  *#allPorts(): Iterable<ServicePort> {
    for (const ports of this.#planned.values()) yield* ports.values();
  }

  /** Logs a Service's problems if they have changed. */
  #logProblems(service: string, problems: string): void {
    if ((this.#logged.get(service) ?? "") === problems) return;
    if (problems === "") this.#logged.delete(service);
    else {
      this.#logged.set(service, problems);
      this.#options.log.warn("a Service is not served completely", { service, problems });
    }
  }

  #logConflicts(port: string): void {
    const conflicts = this.#options.rules.conflicts(port);
    const texts = conflicts.map(({ key, owner }) => `${key} belongs to ${owner}`);
    this.#logProblems(port, listed(texts));
  }
}

/** Problems as one text of the log; tenants choose how many there are. */
export function listed(problems: readonly string[]): string {
  const shown = problems.slice(0, PROBLEMS_LOGGED_MAX);
  const more = problems.length - shown.length;
  return [...shown, ...(more > 0 ? [`${more} more`] : [])].join("; ");
}

const zoneOf = (node: Node | undefined): string => node?.metadata.labels?.[ZONE] ?? "";

function serviceKeys({ metadata }: KubeObject): string[] {
  const name = metadata.labels?.[SERVICE_NAME];
  return name === undefined ? [] : [`${metadata.namespace}/${name}`];
}
