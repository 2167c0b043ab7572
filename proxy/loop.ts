import type { Node, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import type { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { type KubeObject, keyOf } from "@raft2kube/client-kube/object/object.ts";
import type { forgetFlows } from "@raft2kube/linux/netfilter/conntrack.ts";
import type { Logger } from "@raft2kube/observe/log.ts";
import type { Span, Tracer } from "@raft2kube/observe/trace/tracer.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { inPlaces } from "@raft2kube/std/in-places.ts";
import { listed } from "@raft2kube/std/listed.ts";
import { inSlices, Slices } from "@raft2kube/std/slices.ts";
import { forgetKnownFlows } from "./apply/known-flows.ts";
import { NamespaceParts, namespaceOf } from "./apply/namespace-parts.ts";
import type { Rules } from "./apply/rules.ts";
import { deleteStaleFlows, keptOf, straysOf } from "./apply/stale-flows.ts";
import { type FirstPackets, firstPackets } from "./first-packets.ts";
import type { HealthChecks } from "./health-checks.ts";
import {
  ADDRESSES_TRACED_MAX,
  FULL_SYNC_MS,
  PASS_MS,
  RETRY_FIRST_MS,
  RETRY_MS_MAX,
  RULES_MAX,
  RULES_OF_A_PORT,
  RULES_OF_AFFINITY,
  RULES_OF_NAMESPACE,
  SYNC_DELAY_MS,
  UNHEALTHY_MS,
  VERIFY_MS,
  VERIFY_PAUSE_FACTOR,
} from "./limits.ts";
import { ProxyMetrics } from "./metrics.ts";
import {
  type HealthCheck,
  rulesOf,
  type ServicePlan,
  type ServicePort,
  keyOf as targetKey,
} from "./plan/model.ts";
import { planService, type Reservation } from "./plan/service.ts";
import { type StaleFlow, staleFlows } from "./plan/stale-flows.ts";
import { nodeAddresses, reservedBy } from "./reserved.ts";
import { inRotation, type PortChange, turnsOf } from "./turns.ts";

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
  tracer?: Tracer | undefined;
  /** Shows a Service's users that it is not served completely. */
  events: Pick<EventRecorder, "record">;
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

/** The kernel has what was planned last, but for changes that wait. */
interface Applied {
  readonly kind: "applied";
  /** When all rules were written (monotonic), and the API's addresses then. */
  readonly rebuilt_ms: number;
  readonly apiServers: readonly string[];
  /** When the kernel's rules are compared next (monotonic). */
  readonly verify_ms: number;
}

/** The kernel's rules: unknown at first, after a failure, and when another program changed them. */
type Kernel = Applied | { readonly kind: "unknown" };

const UNKNOWN: Kernel = { kind: "unknown" };

/**
 * Connects informers, plan and rules: collects the Services that changed, plans them and applies
 * the difference. One pass runs at a time; a rebuild of the table follows a failed one.
 */
export class ProxyLoop {
  readonly metrics: ProxyMetrics = new ProxyMetrics();
  readonly #options: LoopOptions;
  readonly #forget: typeof forgetFlows;
  /** Services that changed since they were planned; planned all the same while unknown. */
  readonly #dirty = new Set<string>();
  /** Ports by Service and port key, as planned last; none of them is empty. */
  readonly #planned = new Map<string, Map<string, ServicePort>>();
  readonly #parts = new NamespaceParts({ each: RULES_OF_NAMESPACE, all: RULES_MAX });
  /** Services with ports beyond the part of their namespace. */
  readonly #refused = new Set<string>();
  /** The problems in the log by Service, and the conflicts by port key, while there are any. */
  readonly #logged = new Map<string, string>();
  /** Changes of ports that are planned and not applied yet, by port key, the oldest first. */
  readonly #waiting = new Map<string, PortChange>();
  /** Checks of Services with endpoints here, until the rules are applied. */
  readonly #checks = new Map<string, HealthCheck>();
  /** Entries to delete, of changes that are applied. */
  readonly #stale: StaleFlow[] = [];
  /** Ends the informers' handlers. */
  readonly #release: (() => void)[] = [];
  readonly #firstPackets: FirstPackets;
  readonly #passes: Runner;
  #kernel = UNKNOWN;
  #state: SyncState = { isApplied: false, failures: 0 };
  /** When the first of the last failures in a row was (monotonic). */
  #failing_ms = Infinity;
  readonly #first = Promise.withResolvers<void>();

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#forget = forgetKnownFlows(options.log, options.forgetFlows);
    options.slices.index(BY_SERVICE, (slice) => serviceKeys(slice));
    const report = failureLog(options.log, "the first packets of endpoints are not traced");
    this.#firstPackets = firstPackets(options.clock, report);
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

  /** Whether rules were applied, and syncs have not failed for longer than UNHEALTHY_MS. */
  get isHealthy(): boolean {
    const failing_ms = this.#options.clock.monotonic() - this.#failing_ms;
    return this.#state.isApplied && failing_ms <= UNHEALTHY_MS;
  }

  /** Resolves when the rules are applied for the first time. */
  get ready(): Promise<void> {
    return this.#first.promise;
  }

  /** Starts the informers; resolves when all are synchronized and the first sync is scheduled. */
  async start(): Promise<void> {
    const { services, slices, nodes } = this.#options;
    const touch = (service: Service) => this.#touch(keyOf(service));
    const touchOf = (slice: EndpointSlice) => {
      for (const key of serviceKeys(slice)) this.#touch(key);
    };
    this.#release.push(services.handle({ added: touch, updated: touch, deleted: touch }));
    this.#release.push(
      slices.handle({
        added: touchOf,
        deleted: touchOf,
        updated(slice, old) {
          touchOf(slice);
          touchOf(old);
        },
      }),
    );
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
    let kernel = this.#kernel;
    if (kernel.kind === "applied" && clock.monotonic() >= kernel.verify_ms) {
      kernel = await this.#compared(kernel);
    }
    const isDue = this.#dirty.size > 0 || this.#waiting.size > 0;
    if (kernel.kind === "unknown" || isDue) {
      const [isFull, start_ms] = [kernel.kind === "unknown", clock.monotonic()];
      kernel = await this.#sync(kernel);
      this.metrics.synced(isFull, clock.monotonic() - start_ms, clock.now());
    }
    this.#kernel = kernel;
    return kernel.verify_ms - clock.monotonic();
  }

  /** Resolves with unknown if another program changed the rules, or all are to be written. */
  async #compared(applied: Applied): Promise<Kernel> {
    const { clock, rules, log } = this.#options;
    const start_ms = clock.monotonic();
    try {
      if (await rules.intact()) {
        if (start_ms - applied.rebuilt_ms > FULL_SYNC_MS) return UNKNOWN;
        const pause_ms = (clock.monotonic() - start_ms) * VERIFY_PAUSE_FACTOR;
        return { ...applied, verify_ms: clock.monotonic() + Math.max(VERIFY_MS, pause_ms) };
      }
      log.warn("rules are missing: another program changed them; rebuilding them");
    } catch (thrown) {
      log.warn("the rules could not be compared", { error: messageOf(thrown) });
    }
    return UNKNOWN;
  }

  /** Stops the loop and keeps the rules, so that connections continue. */
  async close(): Promise<void> {
    for (const release of this.#release) release();
    await this.#passes.close();
    await this.#firstPackets.close();
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

  /**
   * Applies the changed Services, or all of them if what the kernel has is unknown. Plans and
   * changes that take longer than PASS_MS are left to the next pass, so that others do not wait for
   * them.
   */
  async #sync(kernel: Kernel): Promise<Applied> {
    const { rules, clock } = this.#options;
    const isRebuild = kernel.kind === "unknown";
    const dirty = isRebuild ? this.#allKeys() : inRotation(this.#dirty);
    this.#dirty.clear();
    const apiServers = isRebuild ? await this.#options.apiServers() : kernel.apiServers;
    const own = nodeAddresses(); // of up to 10,000 addresses in IPVS mode
    const slices = new Slices(clock);
    const old = new Set(this.#waiting.keys());
    const reserved = reservedBy(apiServers, own);
    const planned_ms = clock.monotonic() + PASS_MS;
    for (let at = 0; at < dirty.length; at++) {
      this.#dirty.delete(dirty[at]!);
      await inSlices(this.#plan(dirty[at]!, reserved), slices);
      if (!isRebuild && clock.monotonic() >= planned_ms) this.#leave(dirty.splice(at + 1));
    }
    const changes = new Map<string, PortChange>();
    const applied = (keys: Iterable<string>) => {
      for (const key of keys) {
        const change = this.#waiting.get(key)!;
        changes.set(key, change);
        this.#stale.push(...staleFlows(change.before, change.after));
        this.#waiting.delete(key);
      }
    };
    if (isRebuild) {
      const all = [...this.#waiting.keys()];
      await this.#traced(all, () => rules.rebuild([...this.#allPorts()], apiServers));
      applied(all);
    }
    const until_ms = clock.monotonic() + PASS_MS;
    let turns = 0;
    for (const part of turnsOf(this.#waiting, old)) {
      await this.#traced(part.keys(), () => rules.change(part));
      applied(part.keys());
      if (slices.due) await slices.pause();
      // The second is that of the oldest changes, if a pass has left some.
      if (++turns >= (old.size > 0 ? 2 : 1) && clock.monotonic() >= until_ms) break;
    }
    if (this.#waiting.size > 0 || this.#dirty.size > 0) this.#passes.request();
    this.#setChecks();
    const applied_ms = clock.monotonic();
    if (!this.#state.isApplied) await this.#options.removeOthers();
    const touched = isRebuild ? this.#allPorts() : [...changes.values()].map(({ after }) => after);
    await deleteStaleFlows(this.#stale, {
      strays: straysOf(touched, this.#allPorts(), own),
      kept: keptOf(this.#stale, this.#allPorts(), own),
      forget: this.#forget,
    });
    this.#stale.length = 0;
    for (const key of changes.keys()) {
      this.#logConflicts(key);
      if (slices.due) await slices.pause();
    }
    this.#state = { isApplied: true, failures: 0 };
    this.#failing_ms = Infinity;
    this.#first.resolve();
    return isRebuild
      ? { kind: "applied", rebuilt_ms: applied_ms, apiServers, verify_ms: applied_ms + VERIFY_MS }
      : kernel;
  }

  /** Leaves Services to the next pass, in this order, before those that have changed since. */
  #leave(services: readonly string[]): void {
    const all = [...services, ...this.#dirty];
    this.#dirty.clear();
    for (const service of all) this.#dirty.add(service);
  }

  /** Makes the write of new endpoints' rules a trace, by which a pod's page finds it. */
  #traced(keys: Iterable<string>, write: () => Promise<void>): Promise<void> {
    const { tracer } = this.#options;
    const changes = tracer ? [...keys].map((key) => this.#waiting.get(key)!) : [];
    const addresses = newAddresses(changes);
    if (!tracer || addresses.length === 0) return write();
    const traced = (span: Span) => {
      if (!span.isSampled) return write();
      const own = nodeAddresses();
      const local = newAddresses(changes, "localEndpoints").filter((each) => !own.has(each));
      return this.#firstPackets.after(write, span, local);
    };
    return tracer.trace("syncProxyRules", traced, () => ({ addresses }));
  }

  #failed(error: string): void {
    this.metrics.failures.add();
    if (this.#state.failures === 0) this.#failing_ms = this.#options.clock.monotonic();
    this.#state = { ...this.#state, failures: this.#state.failures + 1, error };
    this.#kernel = UNKNOWN;
  }

  /** Plans a Service, a port in each step. */
  *#plan(name: string, reserved: Reservation): Generator<void> {
    const { services, slices, nodes, nodeName } = this.#options;
    const service = services.store.get(name);
    const zone = zoneOf(nodes.store.get(nodeName));
    const old = this.#planned.get(name);
    const { taken } = this.#parts;
    for (const key of old?.keys() ?? []) this.#parts.count(key, undefined);
    this.#refused.delete(name);
    const admission = { reserved, admits: (port: ServicePort) => this.#admits(name, port) };
    const own = slices.store.by(BY_SERVICE, name);
    const plan: ServicePlan = service
      ? yield* planService(service, own, nodeName, admission, zone)
      : { ports: [], problems: [] };
    if (this.#parts.taken < taken) this.#retry(name, taken);
    const problems = listed(plan.problems, "; ");
    if (this.#logProblems(name, problems) && service) {
      this.#options.events.record(service, "Warning", "NotServed", problems);
    }
    // A balancer sends connections here once the rules are there, and stops before they are gone.
    if (plan.healthCheck && plan.healthCheck.localEndpoints > 0) {
      this.#checks.set(name, plan.healthCheck);
    } else {
      this.#checks.delete(name);
      this.#options.healthChecks.update(name, plan.healthCheck);
    }
    const now = new Map(plan.ports.map((port) => [port.key, placed(port, old?.get(port.key))]));
    if (now.size > 0) this.#planned.set(name, now);
    else this.#planned.delete(name);
    for (const key of new Set([...(old?.keys() ?? []), ...now.keys()])) {
      const waiting = this.#waiting.get(key);
      const before = waiting ? waiting.before : old?.get(key);
      this.#waiting.set(key, { before, after: now.get(key) });
      yield;
    }
  }

  /** Counts a port's rules; false, and its Service is refused, beyond the namespace's part. */
  #admits(service: string, port: ServicePort): boolean {
    // Those of the API always: in its namespace others may have Services.
    if (port.apiAddresses.length > 0) return true;
    const rules = RULES_OF_A_PORT + rulesOf(port, RULES_OF_AFFINITY);
    if (this.#parts.count(port.key, rules)) return true;
    this.#refused.add(service);
    return false;
  }

  /** Plans refused Services again after one of `taken` rules of all has some less. */
  #retry(service: string, taken: number): void {
    // Below that none was refused but for its namespace.
    const isFull = taken > RULES_MAX - 2 * RULES_OF_NAMESPACE;
    const namespace = namespaceOf(service);
    for (const other of this.#refused) {
      const isConcerned = isFull || namespaceOf(other) === namespace;
      if (other !== service && isConcerned) this.#dirty.add(other);
    }
  }

  /** Sets the checks of Services whose rules are applied. */
  #setChecks(): void {
    for (const [name, check] of this.#checks) {
      const ports = this.#planned.get(name)?.keys() ?? [];
      if ([...ports].some((key) => this.#waiting.has(key))) continue;
      this.#checks.delete(name);
      this.#options.healthChecks.update(name, check);
    }
  }

  #allKeys(): string[] {
    const { services } = this.#options;
    return [...new Set([...services.store.list().map(keyOf), ...this.#planned.keys()])];
  }

  *#allPorts(): Iterable<ServicePort> {
    for (const ports of this.#planned.values()) yield* ports.values();
  }

  /** Logs a Service's problems if there are others than before; returns whether it did. */
  #logProblems(service: string, problems: string): boolean {
    if ((this.#logged.get(service) ?? "") === problems) return false;
    this.#logged.delete(service);
    if (problems === "") return false;
    this.#logged.set(service, problems);
    this.#options.log.warn("a Service is not served completely", { service, problems });
    return true;
  }

  #logConflicts(port: string): void {
    const conflicts = this.#options.rules.conflicts(port);
    const texts = conflicts.map(({ key, owner }) => `${key} belongs to ${owner}`);
    this.#logProblems(port, listed(texts, "; "));
  }
}

/** Addresses of endpoints that their ports did not have before. */
function newAddresses(
  changes: Iterable<PortChange>,
  of: "allEndpoints" | "localEndpoints" = "allEndpoints",
): string[] {
  const found = new Set<string>();
  for (const { before, after } of changes) {
    const old = new Set(before?.[of].map(({ address }) => address));
    for (const { address } of after?.[of] ?? []) {
      if (!old.has(address)) found.add(address);
      if (found.size >= ADDRESSES_TRACED_MAX) return [...found];
    }
  }
  return [...found];
}

/** A port whose endpoints keep their places: rules have their numbers, of which few change then. */
function placed(port: ServicePort, before: ServicePort | undefined): ServicePort {
  if (!before) return port;
  const allEndpoints = inPlaces(port.allEndpoints, before.allEndpoints, targetKey);
  const localEndpoints = inPlaces(port.localEndpoints, before.localEndpoints, targetKey);
  return { ...port, allEndpoints, localEndpoints };
}

const zoneOf = (node: Node | undefined): string => node?.metadata.labels?.[ZONE] ?? "";

function serviceKeys({ metadata }: KubeObject): string[] {
  const name = metadata.labels?.[SERVICE_NAME];
  return name === undefined ? [] : [`${metadata.namespace}/${name}`];
}
