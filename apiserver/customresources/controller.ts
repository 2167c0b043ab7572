import type { KubeObject } from "@raft2kube/api/kind.ts";
import { setCondition } from "@raft2kube/apiextensions/conditions.ts";
import { isReason } from "@raft2kube/apimachinery/errors/api-error.ts";
import { timeText } from "@raft2kube/apimachinery/time.ts";
import { type Reconcile, runWorkers } from "@raft2kube/reconcile/workers.ts";
import { WorkQueue } from "@raft2kube/reconcile/workqueue.ts";
import { INSTANCES_CHECK_MS, INSTANCES_LEFT_MS, INSTANCES_WORKERS } from "../limits.ts";
import type { Controller } from "../periodic.ts";
import { CLEANUP_FINALIZER } from "../registry/definition-deletion.ts";
import { internalWrite } from "../registry/internal-write.ts";
import { updateObject } from "../registry/update.ts";
import type { Writer } from "../registry/writer.ts";
import type { Resources } from "../resource/resources.ts";
import { decodeRow } from "../storage/body.ts";
import { keyOf } from "../storage/keys.ts";
import { onApiServiceChanged, syncApiServices } from "./api-services.ts";
import { type CustomResources, kindsOf } from "./custom-resources.ts";
import { type Definition, definitionsIn, isTrue, withStatus } from "./definition.ts";
import { deleteInstances } from "./instances.ts";

/** A definition by name and uid: another may have its name by now. */
type Which = Pick<Definition["metadata"], "name" | "uid">;

/** The parts of the server that the controller uses. */
export interface DefinitionsServer extends Writer {
  readonly resources: Resources;
  readonly customResources: CustomResources;
}

/**
 * Writes the statuses of definitions, makes their APIServices, and deletes the instances of those
 * that go. Each server of a store runs it: writes compare and swap, and all plan the same.
 */
export class DefinitionController implements Controller {
  readonly #server: DefinitionsServer;
  /** One worker: two definitions that want one name must not be looked at side by side. */
  readonly #statuses: WorkQueue;
  readonly #deletions: WorkQueue;
  /** When the deletion of a definition was first seen, by its name. */
  readonly #goingSince_ms = new Map<string, number>();
  #running: Promise<unknown> = Promise.resolve();
  #stop: () => void = () => {};

  constructor(server: DefinitionsServer) {
    this.#server = server;
    this.#statuses = new WorkQueue({ clock: server.clock });
    this.#deletions = new WorkQueue({ clock: server.clock, workers: INSTANCES_WORKERS });
  }

  async start(): Promise<void> {
    const ends = [
      this.#server.customResources.subscribe((crd) => this.#note(crd)),
      await onApiServiceChanged(this.#server.resources, (group) => {
        for (const crd of this.#server.customResources.ofGroup(group)) this.#note(crd);
      }),
    ];
    this.#stop = () => ends.forEach((end) => end());
    const run = (queue: WorkQueue, reconcile: Reconcile) =>
      runWorkers({
        name: "apiserver",
        queue,
        reconcile,
        isExpected: (thrown) => isReason(thrown, "Conflict"),
      });
    this.#running = Promise.all([
      run(this.#statuses, (name) => this.#reconcile(name)),
      run(this.#deletions, (name) => this.#finalize(name)),
    ]);
  }

  async close(): Promise<void> {
    this.#stop();
    this.#statuses.close();
    this.#deletions.close();
    await this.#running;
  }

  #note(crd: Definition): void {
    const name = crd.metadata.name ?? "";
    this.#statuses.add(name);
    if (isGoing(crd)) this.#deletions.add(name);
  }

  async #reconcile(name: string): Promise<void> {
    const { customResources } = this.#server;
    const before = customResources.get(name);
    // The name is `plural.group`: of a definition that has gone it still has the group.
    const group = before?.spec.group ?? name.slice(name.indexOf(".") + 1);
    if (before !== undefined) await this.#writeStatus(before);
    const definitions = customResources.ofGroup(group);
    const names = JSON.stringify(before?.status?.acceptedNames);
    const freed = names !== JSON.stringify(customResources.get(name)?.status?.acceptedNames);
    // Names may be free now that others wait for.
    if (before === undefined || freed) {
      for (const each of definitions) {
        if (!isTrue(each, "NamesAccepted")) this.#statuses.add(each.metadata.name ?? "");
      }
    }
    await syncApiServices(this.#server, group, definitions);
  }

  async #writeStatus(known: Definition): Promise<void> {
    const { clock, customResources } = this.#server;
    const plan = (crd: Definition) => {
      const all = customResources.ofGroup(crd.spec.group);
      const others = all.filter((each) => each.metadata.name !== known.metadata.name);
      return withStatus(crd, others, timeText(clock.now()));
    };
    if (plan(known) !== known) await this.#update(known.metadata, plan);
  }

  /**
   * Changes a definition through its status. One that has gone in the meantime needs no change;
   * throws 409 where another has its name now.
   */
  async #update({ name = "", uid }: Which, change: (crd: Definition) => Definition): Promise<void> {
    const resource = definitionsIn(this.#server.resources);
    const { strategy } = resource.kind.subresources["status"]!;
    const options = { ...internalWrite(), subresource: "status" };
    const transform = (current: KubeObject | undefined) => change(current as Definition);
    const update = { namespace: "", name, uid, mayCreate: false, strategy: strategy!, transform };
    try {
      const { object, deleted } = await updateObject(this.#server, resource, update, options);
      if (!deleted) this.#server.customResources.note(object as Definition);
    } catch (thrown) {
      if (!isReason(thrown, "NotFound")) throw thrown;
    }
  }

  /** Deletes the instances of a definition that is being deleted, then lets it go. */
  async #finalize(name: string): Promise<{ again_ms: number } | void> {
    const crd = this.#server.customResources.get(name);
    if (crd === undefined || !isGoing(crd)) return void this.#goingSince_ms.delete(name);
    const now_ms = this.#server.clock.monotonic();
    const goingSince_ms = this.#goingSince_ms.get(name) ?? now_ms;
    this.#goingSince_ms.set(name, goingSince_ms);
    const which = crd.metadata;
    const going = await this.#goingAt(which);
    if (going === undefined) return;
    if (!isTrue(crd, "Established")) {
      return await this.#release(which, "NeverEstablished", "resource was never established");
    }
    const known = crd.status?.conditions.find(({ type }) => type === "Terminating");
    if (known?.reason !== "InstanceDeletionCheck") {
      const deletion = "CustomResource deletion is in progress";
      await this.#terminating(which, "InstanceDeletionInProgress", deletion);
    }
    const left = await this.#deleteInstances(crd, going);
    if (left === 0) {
      // A creation that was let through before the deletion was seen may still be under way.
      const early_ms = INSTANCES_LEFT_MS - (now_ms - goingSince_ms);
      if (early_ms > 0) return { again_ms: early_ms };
      return await this.#release(which, "InstanceDeletionCompleted", "removed all instances");
    }
    const since_ms = Date.parse(crd.metadata.deletionTimestamp ?? "");
    if (this.#server.clock.now() - since_ms < INSTANCES_CHECK_MS) {
      return { again_ms: INSTANCES_LEFT_MS };
    }
    const why = `could not confirm zero CustomResources remaining: ${left} have finalizers`;
    await this.#terminating(which, "InstanceDeletionCheck", why);
    return { again_ms: INSTANCES_LEFT_MS };
  }

  /** The store's revision at which that definition is being deleted; undefined if it is not. */
  async #goingAt({ name = "", uid }: Which): Promise<number | undefined> {
    const { kind, store } = definitionsIn(this.#server.resources);
    const { row, revision } = await store.rows.get(keyOf(kind, "", name));
    const there = row && decodeRow<Definition>(kind, row).metadata;
    return there?.uid === uid && there?.deletionTimestamp !== undefined ? revision : undefined;
  }

  /**
   * The instances lie at one place in the store, in whichever versions they are served. Those after
   * `revision` may be another definition's.
   */
  async #deleteInstances(crd: Definition, revision: number): Promise<number> {
    const { resources, clock } = this.#server;
    const stored = crd.spec.versions.map((each) => ({ ...each, served: each.storage }));
    // The status, which clients can write, does not say where they lie.
    const status = { ...crd.status!, acceptedNames: crd.spec.names };
    const [kind] = kindsOf({ ...crd, status, spec: { ...crd.spec, versions: stored } }, undefined);
    // Rows of a kind of this server itself are not the definition's (as upstream).
    if (kind === undefined || resources.overlaps(kind)) return 0;
    return await deleteInstances(resources.detached(kind), revision, clock);
  }

  async #terminating(which: Which, reason: string, message: string): Promise<void> {
    const condition = { status: "True", reason, message };
    await this.#update(which, (crd) => terminatingFor(crd, condition, this.#now()));
  }

  async #release(which: Which, reason: string, message: string): Promise<void> {
    await this.#update(which, (crd) => {
      const next = terminatingFor(crd, { status: "False", reason, message }, this.#now());
      const finalizers = (crd.metadata.finalizers ?? []).filter(
        (each) => each !== CLEANUP_FINALIZER,
      );
      return { ...next, metadata: { ...next.metadata, finalizers } };
    });
  }

  #now(): string {
    return timeText(this.#server.clock.now());
  }
}

function terminatingFor(
  crd: Definition,
  condition: { status: string; reason: string; message: string },
  now: string,
): Definition {
  const next = { ...crd, status: structuredClone(crd.status!) };
  setCondition(next, { type: "Terminating", ...condition }, now);
  return next;
}

const isGoing = ({ metadata }: Definition): boolean =>
  metadata.deletionTimestamp !== undefined &&
  (metadata.finalizers ?? []).includes(CLEANUP_FINALIZER);
