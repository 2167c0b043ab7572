import type { Lease } from "@raft2kube/api/gen/coordination/v1.ts";
import type { Node, NodeStatus } from "@raft2kube/api/gen/core/v1.ts";
import type { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import type { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import { LEASES, NODES } from "@raft2kube/client-kube/rest/resources.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { NODE_RETRY_MS, NODE_STATUS_MS, NODE_STATUS_REPORT_MS } from "../limits.ts";
import { renewNodeLease } from "./lease.ts";
import { differs } from "./node-status.ts";
import { type NodeDescription, registerNode } from "./registration.ts";

const log = logger("kubelet-node");

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
  readonly #end = new AbortController();
  #node: Node | undefined;
  #shown: NodeStatus | undefined;
  #shown_ms = -Infinity;
  #wake = new AbortController();
  #running: Promise<unknown> | undefined;
  #configured: string | undefined;

  constructor(options: NodeReporterOptions) {
    this.#options = options;
  }

  /** The registered Node; undefined before. */
  get node(): { name: string; uid: string } | undefined {
    const { name = "", uid } = this.#node?.metadata ?? {};
    return uid ? { name, uid } : undefined;
  }

  /** Starts to register the node; `registered` is called once it is and may be named as owner. */
  start(registered: () => void): void {
    this.#running ??= this.#run(registered);
  }

  /** Reports the status soon. Call it when something in it has changed. */
  trigger(): void {
    this.#wake.abort();
  }

  async close(): Promise<void> {
    this.#end.abort();
    this.#wake.abort();
    await this.#running;
  }

  async #run(registered: () => void): Promise<void> {
    const { client, clock, lease_s: duration_s } = this.#options;
    const { signal } = this.#end;
    await this.#register();
    const node = this.node;
    if (!node) return;
    registered();
    this.#followNode();
    this.#record("Normal", "Starting", "Starting kubelet.");
    const leases = client.resource<Lease>(LEASES);
    const lease = { leases, clock, node, duration_s, signal };
    await Promise.all([this.#showForEver(), renewNodeLease(lease)]);
  }

  async #register(): Promise<void> {
    const { client, clock, description, status } = this.#options;
    const { signal } = this.#end;
    const nodes = client.resource<Node>(NODES);
    while (!signal.aborted) {
      try {
        const first = await status(undefined);
        this.#node = await registerNode(nodes, description, first);
        this.#shown = this.#node.status;
        log.info("node registered", { node: description.nodeName });
        return;
      } catch (thrown) {
        log.warn("node not registered, trying again", { error: messageOf(thrown) });
        await delay(clock, NODE_RETRY_MS, signal);
      }
    }
  }

  async #showForEver(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#end;
    while (!signal.aborted) {
      let pause_ms = NODE_STATUS_MS;
      try {
        // A node that is not ready reports more often: the scheduler waits for it.
        if (!(await this.#show())) pause_ms = NODE_RETRY_MS;
      } catch (thrown) {
        if (signal.aborted) return;
        log.warn("node status not written, trying again", { error: messageOf(thrown) });
        pause_ms = NODE_RETRY_MS;
      }
      await delay(clock, pause_ms, this.#wake.signal);
      if (this.#wake.signal.aborted) this.#wake = new AbortController();
    }
  }

  /** Writes the status if it differs or its heartbeat is due. Returns whether the node is ready. */
  async #show(): Promise<boolean> {
    const { client, clock, description, status, mustReport } = this.#options;
    const now = await status(this.#shown);
    const ready = readiness(now);
    const due = clock.monotonic() - this.#shown_ms >= NODE_STATUS_REPORT_MS;
    if (!due && !mustReport() && this.#shown && !differs(now, this.#shown)) return ready;
    const name = { name: description.nodeName, subresource: "status" };
    // Replace the list of addresses: a merge by type would keep an old address.
    const addresses = [...(now.addresses ?? []), { $patch: "replace" }];
    const patch = { status: { ...now, addresses } };
    await client.resource<Node>(NODES).patch(name, "strategic", patch);
    if (!this.#shown || readiness(this.#shown) !== ready) {
      const reason = ready ? "NodeReady" : "NodeNotReady";
      this.#record("Normal", reason, `Node ${description.nodeName} status is now: ${reason}`);
    }
    this.#options.reported(now);
    this.#shown = now;
    this.#shown_ms = clock.monotonic();
    return ready;
  }

  #followNode(): void {
    const { informers, description } = this.#options;
    const fieldSelector = `metadata.name=${description.nodeName}`;
    const informer = informers.of<Node>(NODES, { fieldSelector });
    const seen = (node: Node) => {
      this.#options.seen(node);
      this.#compare(node.status);
      void this.#configure(node);
    };
    informer.handle({ added: seen, updated: seen });
  }

  /** Shows the status again if others have changed it: a node that was silent becomes Unknown. */
  #compare(status: NodeStatus | undefined): void {
    if (!status || !this.#shown || readyStatus(status) === readyStatus(this.#shown)) return;
    this.#shown = status;
    this.trigger();
  }

  async #configure(node: Node): Promise<void> {
    const { onPodCidrs, clock } = this.#options;
    const podCidrs = node.spec?.podCIDRs ?? (node.spec?.podCIDR ? [node.spec.podCIDR] : []);
    const text = podCidrs.join(",");
    if (!text || text === this.#configured) return;
    this.#configured = text;
    while (this.#configured === text && !this.#end.signal.aborted) {
      try {
        await onPodCidrs(podCidrs);
        break;
      } catch (thrown) {
        log.warn("pod range not put to use, trying again", { error: messageOf(thrown) });
        await delay(clock, NODE_RETRY_MS, this.#end.signal);
      }
    }
    this.trigger();
  }

  #record(type: "Normal" | "Warning", reason: string, message: string): void {
    const { nodeName } = this.#options.description;
    // As in upstream, the UID in events about a node is the node's name.
    const about = { apiVersion: "v1", kind: "Node", name: nodeName, uid: nodeName };
    this.#options.recorder.record(about, type, reason, message);
  }
}

function readiness(status: NodeStatus): boolean {
  return readyStatus(status) === "True";
}

function readyStatus(status: NodeStatus): string | undefined {
  return status.conditions?.find((one) => one.type === "Ready")?.status;
}
