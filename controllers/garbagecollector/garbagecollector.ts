import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { type KubeObject, nameOf } from "@raft2kube/client-kube/object/object.ts";
import {
  canDo,
  type Discovered,
  type DiscoveredResource,
  discoverAll,
} from "@raft2kube/client-kube/rest/discovery.ts";
import { apiVersionOf, groupResourceOf } from "@raft2kube/client-kube/rest/resource.ts";
import { runWorkers } from "@raft2kube/client-kube/workers.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import { WorkQueue } from "@raft2kube/reconcile/workqueue.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import { aborted, delay } from "@raft2kube/std/wait.ts";
import type { ControllerContext, Running } from "../context.ts";
import {
  DEPENDENTS_AT_ONCE_MAX,
  DEPENDENTS_LOOK_OF_OBJECT_MS,
  DISCOVERY_MS,
  DISCOVERY_RETRY_MS,
  GARBAGE_BURST,
  GARBAGE_QPS,
  GARBAGE_SYNC_MS,
} from "../limits.ts";
import { type GraphWork, identityOf, OwnerGraph } from "./graph.ts";
import { inspect, orphanDependents } from "./reconcile.ts";
import { OwnerServer } from "./server.ts";

const ACCOUNT = "generic-garbage-collector";
const WORKERS = 8;
const ORPHAN_WORKERS = 4;

/** Resources that neither own nor are owned, with many objects. */
const IGNORED = new Set(["events", "events.events.k8s.io"]);

interface Followed {
  resource: DiscoveredResource;
  informer: Informer<KubeObject>;
  unhandle: () => void;
}

/** Deletes what no owner keeps, and carries out foreground and orphaning deletions. */
export function startGarbageCollector(context: ControllerContext): Running {
  const collector = new GarbageCollector(context);
  return { close: () => collector.close() };
}

class GarbageCollector {
  readonly #context: ControllerContext;
  readonly #graph = new OwnerGraph();
  readonly #server: OwnerServer;
  readonly #inspectQueue: WorkQueue;
  readonly #orphanQueue: WorkQueue;
  /** Owners all of whose dependents are to be inspected. */
  readonly #ownerQueue: WorkQueue;
  readonly #followed = new Map<string, Followed>();
  readonly #end = new AbortController();
  readonly #discovery: Runner;
  #working: Promise<void> | undefined;

  constructor(context: ControllerContext) {
    this.#context = context;
    const rate = { qps: GARBAGE_QPS, burst: GARBAGE_BURST };
    this.#server = new OwnerServer(context.client(ACCOUNT, rate));
    const { clock, metrics } = context;
    const queue = (work: string, workers: number) => {
      const observer = metrics.queues.follow(`garbage_collector_attempt_to_${work}`);
      return new WorkQueue({ clock, observer, workers });
    };
    this.#inspectQueue = queue("delete", WORKERS);
    this.#orphanQueue = queue("orphan", ORPHAN_WORKERS);
    this.#ownerQueue = new WorkQueue({ clock: context.clock });
    this.#discovery = new Runner({
      clock: context.clock,
      max_ms: DISCOVERY_MS,
      retry: { first_ms: DISCOVERY_RETRY_MS, most_ms: DISCOVERY_RETRY_MS },
      run: () => this.#followResources(),
      report: failureLog(logger(ACCOUNT), "discovery failed"),
    });
    this.#discovery.request();
  }

  async close(): Promise<void> {
    this.#end.abort();
    this.#inspectQueue.close();
    this.#orphanQueue.close();
    this.#ownerQueue.close();
    await this.#discovery.close();
    await this.#working;
  }

  /** Asks which resources there are: custom ones come and go. */
  async #followResources(): Promise<void> {
    this.#setResources(await discoverAll(this.#context.informers.client));
    this.#working ??= this.#workWhenSynced();
  }

  #setResources({ resources, kinds, stale }: Discovered): void {
    if (this.#end.signal.aborted) return;
    this.#server.setKinds(kinds);
    const wanted = new Map<string, DiscoveredResource>();
    for (const resource of resources) {
      const name = groupResourceOf(resource);
      if (canDo(resource, "delete", "list", "watch") && !IGNORED.has(name)) {
        wanted.set(name, resource);
      }
    }
    for (const [name, followed] of this.#followed) {
      // A custom resource may be served in another version than before.
      if (wanted.get(name)?.version === followed.resource.version) continue;
      // The objects of a server that does not answer are still there.
      if (stale.includes(apiVersionOf(followed.resource))) continue;
      followed.unhandle();
      this.#followed.delete(name);
      this.#queue(this.#graph.removeType(followed.resource));
      void this.#context.informers.dropMetadata(followed.resource);
    }
    for (const [name, resource] of wanted) {
      if (!this.#followed.has(name)) this.#followed.set(name, this.#follow(resource));
    }
  }

  #follow(resource: DiscoveredResource): Followed {
    const informer = this.#context.informers.metadataOf(resource);
    const put = (object: KubeObject) => this.#queue(this.#graph.put(resource, object));
    const unhandle = informer.handle({
      added: put,
      updated: put,
      deleted: (object) => {
        const { uid = "" } = object.metadata;
        this.#server.noteAbsent(identityOf(resource, nameOf(object), uid));
        this.#queue(this.#graph.remove(uid));
      },
    });
    return { resource, informer, unhandle };
  }

  #queue({ inspect: uids, dependents, orphan }: GraphWork): void {
    for (const uid of uids) this.#add(this.#inspectQueue, uid);
    for (const uid of orphan) this.#add(this.#orphanQueue, uid);
    for (const owner of dependents) {
      const [first] = this.#graph.someOf(owner, 1);
      const count = this.#graph.countOf(owner);
      const wait_ms = count > DEPENDENTS_AT_ONCE_MAX ? count * DEPENDENTS_LOOK_OF_OBJECT_MS : 0;
      if (first) this.#ownerQueue.addAfter(`${first.name.namespace ?? ""}/${owner}`, wait_ms);
    }
  }

  /** Queues all dependents of an owner that changed, in slices: their owners are looked up again. */
  async #inspectDependents(owner: string): Promise<void> {
    const slices = new Slices();
    for (const dependent of this.#graph.dependentsOf(owner)) {
      dependent.ownerStates = undefined;
      this.#add(this.#inspectQueue, dependent.uid);
      if (slices.due) await slices.pause();
    }
  }

  /** Adds an object by its namespace and uid; one that is not in the graph has no work. */
  #add(queue: WorkQueue, uid: string): void {
    const node = this.#graph.get(uid);
    if (node) queue.add(`${node.name.namespace ?? ""}/${uid}`);
  }

  /**
   * Nothing is deleted from half a picture: work starts when every resource was listed once, or
   * after upstream's time for that: one whose conversion webhook is gone must not stop the others.
   * An owner that is not in the graph is looked up before its dependents are deleted.
   */
  async #workWhenSynced(): Promise<void> {
    const { informers } = this.#context;
    const synced = Promise.all([...this.#followed.values()].map(({ informer }) => informer.synced));
    const late = delay(this.#context.clock, GARBAGE_SYNC_MS, this.#end.signal);
    await Promise.race([synced, informers.closed, aborted(this.#end.signal), late]);
    if (this.#end.signal.aborted) return;
    const uidOf = (key: string) => key.slice(key.indexOf("/") + 1);
    const look = async (key: string) => {
      this.#queue(await inspect(this.#graph, this.#server, uidOf(key)));
    };
    const orphan = (key: string) => orphanDependents(this.#graph, this.#server, uidOf(key));
    await Promise.all([
      runWorkers(ACCOUNT, this.#inspectQueue, look),
      runWorkers(ACCOUNT, this.#orphanQueue, orphan),
      runWorkers(ACCOUNT, this.#ownerQueue, (key) => this.#inspectDependents(uidOf(key))),
    ]);
  }
}
