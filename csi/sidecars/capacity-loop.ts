import type { OwnerReference } from "@raft2kube/api/gen/meta/v1.ts";
import type { StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import { orUndefined, translateClass } from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import { nameOf } from "@raft2kube/client-kube/object/object.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import {
  CSI_STORAGE_CAPACITIES,
  NODES,
  PERSISTENT_VOLUMES,
  STORAGE_CLASSES,
} from "@raft2kube/client-kube/rest/resources.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import { type CapacityPublisher, type FreeSpace, planCapacities } from "./capacity-plan.ts";
import { CAPACITY_POLL_MS, CONTROLLER_CALL_TIMEOUT_MS, NODE_LOOK_MS, RETRY } from "./limits.ts";
import { rpcErrorText } from "./rpc-error-text.ts";
import type { SidecarOptions } from "./sidecar-options.ts";

const log = logger("csi-capacity");

/**
 * Publishes the free space of its node's driver as CSIStorageCapacity objects: one for each class
 * of the driver. It is asked again every minute, and when a class or volume comes or goes.
 */
export class CapacityPublishing {
  readonly #options: SidecarOptions;
  readonly #publisher: Omit<CapacityPublisher, "owner">;
  readonly #runner: Runner;

  constructor(options: SidecarOptions & { nodeName: string }, namespace: string) {
    this.#options = options;
    const { driver, nodeName, clock } = options;
    const { name: driverName, topology: segments } = driver;
    this.#publisher = { driverName, publisher: nodeName, namespace, segments };
    this.#runner = new Runner({
      clock,
      retry: RETRY,
      run: () => this.#publish(),
      report: failureLog(log, "the free space is not published"),
    });
  }

  /** Starts publishing; the informers must be synced. */
  start(): void {
    const { informers } = this.#options;
    const look = () => this.#runner.request();
    for (const type of [STORAGE_CLASSES, PERSISTENT_VOLUMES] as ResourceType[]) {
      informers.of(type).handle({ added: look, deleted: look });
    }
    look();
  }

  close(): Promise<void> {
    return this.#runner.close();
  }

  async #publish(): Promise<number> {
    const { client, informers } = this.#options;
    const owner = await this.#owner();
    // A node that starts: pods that claim volumes are not scheduled before its space is known.
    if (!owner) return NODE_LOOK_MS;
    const classes = informers.of(STORAGE_CLASSES).store.list();
    const { driverName, namespace } = this.#publisher;
    const spaces = new Map<StorageClass, FreeSpace | undefined>();
    const failures: unknown[] = [];
    for (const each of classes) {
      const own = orUndefined(() => translateClass(each));
      if (own?.provisioner !== driverName) continue;
      try {
        spaces.set(each, await this.#spaceOf(own));
      } catch (thrown) {
        // The class may be at fault: pods that claim volumes of others are scheduled by theirs.
        spaces.set(each, undefined);
        failures.push(thrown);
        const fields = { storageClass: each.metadata.name ?? "", error: rpcErrorText(thrown) };
        log.warn("the free space for a class is not known", fields);
      }
    }
    if (failures.length > 0 && failures.length === spaces.size) throw failures[0];
    const capacities = client.resource(CSI_STORAGE_CAPACITIES);
    const { items } = await capacities.list({ namespace });
    const plan = planCapacities({ ...this.#publisher, owner }, spaces, items);
    for (const each of plan.create) await capacities.create(each);
    for (const each of plan.update) await capacities.update(each);
    for (const each of plan.delete) await undefinedIfNotFound(capacities.delete(nameOf(each)));
    return CAPACITY_POLL_MS;
  }

  /** The node, if it is registered: with it the garbage collector removes its capacities. */
  async #owner(): Promise<OwnerReference | undefined> {
    const nodes = this.#options.client.resource(NODES);
    const name = this.#publisher.publisher;
    const node = await undefinedIfNotFound(nodes.get({ name }));
    return node && { apiVersion: "v1", kind: "Node", name, uid: node.metadata.uid ?? "" };
  }

  async #spaceOf({ parameters = {} }: StorageClass): Promise<FreeSpace> {
    const { driver } = this.#options;
    const own = Object.entries(parameters).filter(
      ([key]) => !key.startsWith("csi.storage.k8s.io/"),
    );
    const { availableCapacity, maximumVolumeSize } = await driver.controller.getCapacity(
      { parameters: Object.fromEntries(own), accessibleTopology: { segments: driver.topology } },
      { timeout_ms: CONTROLLER_CALL_TIMEOUT_MS },
    );
    const maximum_bytes = maximumVolumeSize?.value;
    // The API takes no object with a negative one.
    return { available_bytes: Math.max(0, availableCapacity), maximum_bytes };
  }
}
