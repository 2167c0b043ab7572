import type { Node, NodeStatus } from "@raft2kube/api/gen/core/v1.ts";
import type { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import type { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { LEASES, NODES } from "@raft2kube/client-kube/rest/resources.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import {
  NODE_RETRY_MS,
  NODE_START_LOOK_MS,
  NODE_START_MS,
  NODE_STATUS_MS,
  NODE_STATUS_REPORT_MS,
} from "../limits.ts";
import { nodeLease } from "./lease.ts";
import { differs } from "./node-status.ts";
import { type NodeDescription, registerNode } from "./registration.ts";

const log = logger("kubelet-node");
const RETRY = { first_ms: NODE_RETRY_MS, most_ms: NODE_RETRY_MS };

export interface NodeReporterOptions {
  client: KubeClient;
  informers: InformerSet;
  recorder: EventRecorder;
  clock: Clock;
  description: NodeDescription;
  /** Returns the current status. `previous` has the transition times of the conditions. */
  status(previous: NodeStatus | undefined): Promise<NodeStatus>;
  /** Whether the status must be written although it was written before. */
  mustReport(): boolean;
  /** Called when a status was written; every later one is made after this one. */
  reported(status: NodeStatus): void;
  onPodCidrs(podCidrs: string[]): Promise<void>;
  /** The Node as others have changed it. */
  seen(node: Node): void;
  /** Duration of the node's Lease. */
  lease_s: number;
}

/** Registers the Node once, reports its status, and renews its Lease. */
export class NodeReporter {
  readonly #options: NodeReporterOptions;
  readonly #reports: Runner;
  readonly #ranges: Runner;
  #lease: Runner | undefined;
  #registered: () => void = () => undefined;
  /** The Node as it was registered; undefined before. */
  #node: Node | undefined;
  /** The status that the Node shows, and when it was written (monotonic). */
  #shown: { status: NodeStatus | undefined; at_ms: number } | undefined;
  /** When (monotonic) a node that is not ready yet stops to be looked at often. */
  #oftenUntil_ms = 0;
  /** The pod ranges that the Node has. */
  #podCidrs: string[] = [];

  constructor(options: NodeReporterOptions) {
    this.#options = options;
    const { clock } = options;
    this.#reports = new Runner({
      clock,
      retry: RETRY,
      run: () => this.#report(),
      report: failureLog(log, "the node's status is not written"),
    });
    this.#ranges = new Runner({
      clock,
      retry: RETRY,
      run: () => this.#configure(),
      report: failureLog(log, "the pod range is not put to use"),
    });
  }

  /** The registered Node; undefined before. */
  get node(): { name: string; uid: string } | undefined {
    const { name = "", uid } = this.#node?.metadata ?? {};
    return uid ? { name, uid } : undefined;
  }

  /** Starts to register the node; `registered` is called once it is and may be named as owner. */
  start(registered: () => void): void {
    this.#registered = registered;
    this.#oftenUntil_ms = this.#options.clock.monotonic() + NODE_START_MS;
    this.#reports.request();
  }

  /** Reports the status, `within_ms`. Call it when something in it has changed. */
  trigger(within_ms = 0): void {
    if (this.#node) this.#reports.request(within_ms);
  }

  async close(): Promise<void> {
    await this.#reports.close();
    await Promise.all([this.#ranges.close(), this.#lease?.close()]);
  }

  async #report(): Promise<number> {
    if (!this.#node) await this.#register();
    // A node that is not ready reports more often: the scheduler waits for it.
    if (!(await this.#show())) {
      const isNew = this.#options.clock.monotonic() < this.#oftenUntil_ms;
      return isNew ? NODE_START_LOOK_MS : NODE_RETRY_MS;
    }
    this.#oftenUntil_ms = 0;
    return NODE_STATUS_MS;
  }

  async #register(): Promise<void> {
    const { client, clock, description, status, lease_s: duration_s } = this.#options;
    const first = await status(undefined);
    this.#node = await registerNode(client.resource(NODES), description, first);
    this.#shown = { status: this.#node.status, at_ms: -Infinity };
    log.info("node registered", { node: description.nodeName });
    this.#registered();
    this.#options.seen(this.#node);
    this.#followNode();
    this.record("Normal", "Starting", "Starting kubelet.");
    const { name = "", uid = "" } = this.#node.metadata;
    const leases = client.resource(LEASES);
    this.#lease = nodeLease({ leases, clock, node: { name, uid }, duration_s });
    this.#lease.request();
  }

  /** Writes the status if it differs or its heartbeat is due. Returns whether the node is ready. */
  async #show(): Promise<boolean> {
    const { client, clock, description, status, mustReport } = this.#options;
    const { status: shown, at_ms = -Infinity } = this.#shown ?? {};
    const now = await status(shown);
    const ready = readiness(now);
    const due = clock.monotonic() - at_ms >= NODE_STATUS_REPORT_MS;
    if (!due && !mustReport() && shown && !differs(now, shown)) return ready;
    const name = { name: description.nodeName, subresource: "status" };
    // A merge would keep an old address, and a resource that is gone.
    const addresses = [...(now.addresses ?? []), { $patch: "replace" }];
    const allocatable = { ...now.allocatable, $patch: "replace" };
    const patch = { status: { ...now, addresses, allocatable } };
    await client.resource(NODES).patch(name, "strategic", patch);
    if (!shown || readiness(shown) !== ready) {
      const reason = ready ? "NodeReady" : "NodeNotReady";
      this.record("Normal", reason, `Node ${description.nodeName} status is now: ${reason}`);
    }
    this.#options.reported(now);
    this.#shown = { status: now, at_ms: clock.monotonic() };
    return ready;
  }

  #followNode(): void {
    const { informers, description } = this.#options;
    const fieldSelector = `metadata.name=${description.nodeName}`;
    const informer = informers.of(NODES, { fieldSelector });
    const seen = (node: Node) => {
      this.#options.seen(node);
      this.#compare(node.status);
      this.#setPodCidrs(node.spec?.podCIDRs ?? (node.spec?.podCIDR ? [node.spec.podCIDR] : []));
    };
    informer.handle({ added: seen, updated: seen });
  }

  /** Shows the status again if others have changed it: a node that was silent becomes Unknown. */
  #compare(status: NodeStatus | undefined): void {
    const shown = this.#shown;
    if (!status || !shown?.status || readyStatus(status) === readyStatus(shown.status)) return;
    this.#shown = { ...shown, status };
    this.trigger();
  }

  #setPodCidrs(podCidrs: string[]): void {
    if (podCidrs.length === 0 || podCidrs.join() === this.#podCidrs.join()) return;
    this.#podCidrs = podCidrs;
    this.#ranges.request();
  }

  async #configure(): Promise<void> {
    await this.#options.onPodCidrs(this.#podCidrs);
    this.trigger();
  }

  /** Records an event about the node. */
  record(type: "Normal" | "Warning", reason: string, message: string): void {
    const { nodeName } = this.#options.description;
    // As in upstream, the UID in events about a node is the node's name.
    const about = { apiVersion: "v1", kind: "Node", name: nodeName, uid: nodeName };
    this.#options.recorder.record(about, type, reason, message);
  }
}

const readiness = (status: NodeStatus): boolean => readyStatus(status) === "True";

function readyStatus(status: NodeStatus): string | undefined {
  return status.conditions?.find((one) => one.type === "Ready")?.status;
}
