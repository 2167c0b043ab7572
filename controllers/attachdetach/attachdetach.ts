import type { Node, PersistentVolume, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { CSINode, VolumeAttachment } from "@raft2kube/api/gen/storage/v1.ts";
import type { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import { isListedAsAttached } from "@raft2kube/client-kube/object/attachments.ts";
import { translateVolume } from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { ControllerContext, Running } from "../context.ts";
import { UNSEEN_MS } from "../limits.ts";
import { closeAll, type Loop, startLoop } from "../loop.ts";
import { isNodeReady, isOutOfService } from "../node-state.ts";
import { WriteTracker } from "../write-tracker.ts";
import { AttachmentWriter } from "./apply.ts";
import { recordAttached, recordFailed, recordRefused } from "./events.ts";
import { GoneNodes } from "./gone-nodes.ts";
import { NewestNodes } from "./newest-nodes.ts";
import { type AttachmentState, type NodeVolume, planVolume, type Step } from "./plan.ts";
import { AttachedStorage } from "./storage.ts";

const ACCOUNT = "attachdetach-controller";

/**
 * Attaches volumes to the nodes of the pods that need them, and detaches others: creates and
 * deletes VolumeAttachments, which the drivers' external-attachers carry out, and lists in each
 * node's status what is attached to it.
 */
export function startAttachDetach(context: ControllerContext): Running {
  const recorder = context.recorder(ACCOUNT, ACCOUNT);
  const storage = new AttachedStorage(context);
  const { pods, claims, volumes, drivers, nodes, csiNodes, attachments } = storage;
  const reconciler = new AttachReconciler(context, storage, recorder);
  const loop = startLoop(context, {
    queue: "attach_detach",
    name: ACCOUNT,
    reads: [pods, claims, volumes, drivers, nodes, csiNodes, attachments],
    reconcile: (volume) => reconciler.reconcile(volume),
  });
  followChanges(loop, storage, reconciler);
  return closeAll(loop, recorder);
}

/** Adds the volumes that a change may concern to the queue. */
function followChanges(
  { queue }: Loop,
  storage: AttachedStorage,
  reconciler: AttachReconciler,
): void {
  const { pods, claims, volumes, drivers, nodes, csiNodes, attachments } = storage;
  const add = (...names: (string | undefined)[]) => {
    for (const name of names) if (name !== undefined) queue.add(name);
  };
  const pod = (each: Pod) => add(...storage.volumesOfPod(each));
  pods.handle({ added: pod, updated: pod, deleted: pod });
  const claim = (each: Parameters<typeof storage.volumeOfClaim>[0]) =>
    add(storage.volumeOfClaim(each));
  claims.handle({ added: claim, updated: claim, deleted: claim });
  const volume = (each: PersistentVolume) => add(storage.nameOf(each));
  volumes.handle({ added: volume, updated: volume, deleted: volume });
  drivers.handle({
    added: ({ metadata }) => add(...storage.volumesOfDriver(metadata.name ?? "")),
    deleted: ({ metadata }) => add(...storage.volumesOfDriver(metadata.name ?? "")),
  });
  const csiNode = (each: CSINode) => add(...storage.inlineVolumesOn(keyOf(each)));
  csiNodes.handle({ added: csiNode, updated: csiNode });
  const node = (each: Node) => add(...storage.volumesOfNode(each));
  nodes.handle({
    added(each) {
      reconciler.gone.forget(keyOf(each));
      node(each);
    },
    updated(now, before) {
      if (concerns(now) !== concerns(before)) add(...storage.volumesOfNode(now));
    },
    deleted(each) {
      reconciler.nodeGone(each);
      node(each);
    },
  });
  const attachment = (each: VolumeAttachment) => add(storage.volumeOfAttachment(each));
  attachments.handle({
    added: attachment,
    updated: attachment,
    deleted(each) {
      reconciler.written.goneUnderAny(each);
      attachment(each);
    },
  });
}

/**
 * Returns the fields of a node that this controller reads, as a string to compare; heartbeats are
 * not among them.
 */
function concerns(node: Node): string {
  const { volumesAttached, volumesInUse } = node.status ?? {};
  const { annotations } = node.metadata;
  return JSON.stringify([
    volumesAttached,
    volumesInUse,
    isNodeReady(node),
    isOutOfService(node),
    annotations,
  ]);
}

/** State kept about a volume; a restarted controller starts without it. */
interface Memory {
  /** Times since which nodes have it without needing it, by node; monotonic. */
  unwanted: Map<string, number>;
  /** Nodes whose pods got an event that it is attached elsewhere. */
  refused: Set<string>;
  /** The last error in an event about pods, by node. */
  errors: Map<string, string>;
}

class AttachReconciler {
  readonly written: WriteTracker;
  readonly gone = new GoneNodes();
  readonly #clock: Clock;
  readonly #storage: AttachedStorage;
  readonly #recorder: EventRecorder;
  readonly #newest: NewestNodes;
  readonly #writer: AttachmentWriter;
  readonly #memories = new Map<string, Memory>();

  constructor(context: ControllerContext, storage: AttachedStorage, recorder: EventRecorder) {
    this.#clock = context.clock;
    this.#storage = storage;
    this.#recorder = recorder;
    this.#newest = new NewestNodes((name) => storage.nodes.store.get(name));
    this.#writer = new AttachmentWriter(context.client(ACCOUNT), this.#newest);
    this.written = new WriteTracker(context.clock);
  }

  nodeGone(node: Node): void {
    this.gone.remember(node);
    this.#newest.forget(keyOf(node));
  }

  /** Brings one volume, by its unique name, to the nodes that need it and away from others. */
  async reconcile(unique: string): Promise<{ again_ms: number } | void> {
    if (!this.written.isSeen(unique, this.#storage.attachments.store)) {
      return { again_ms: UNSEEN_MS };
    }
    // Without a PersistentVolume no pod needs it; a node may still have it.
    const [volume] = this.#storage.volumesNamed(unique);
    const needing = this.#storage.podsNeeding(unique);
    const pods = Map.groupBy(needing.keys(), ({ spec }) => spec.nodeName ?? "");
    const listing = this.#storage.nodesListing(unique);
    const held = this.#storage.attachmentsOf(unique, [...pods.keys(), ...listing]);
    const names = new Set([...pods.keys(), ...held.keys(), ...listing]);
    if (names.size === 0) return void this.#memories.delete(unique);
    const memory = this.#memory(unique);
    const about = { unique, needing, held, pods, memory };
    const nodes = [...names].map((node) => this.#view(node, about));
    const { steps, again_ms } = planVolume(nodes, isMultiAttach(volume));
    this.#reportErrors(about);
    for (const step of steps) {
      if (step.do !== "refuse") memory.refused.delete(step.node);
      await this.#apply(step, about);
    }
    if (again_ms !== undefined) return { again_ms };
    // Nothing leads from the last attachment's end to a volume that is gone.
    if (!volume) this.#memories.delete(unique);
  }

  #memory(unique: string): Memory {
    const known = this.#memories.get(unique) ?? {
      unwanted: new Map(),
      refused: new Set(),
      errors: new Map(),
    };
    this.#memories.set(unique, known);
    return known;
  }

  #view(name: string, about: About): NodeVolume {
    const { unique, memory, held } = about;
    const attachment = held.get(name);
    const volume = volumeOn(name, about);
    // One of a PersistentVolume ends with the pods that claim it, though others name the volume.
    const outlived =
      attachment?.spec.source.persistentVolumeName !== undefined &&
      volume?.metadata.uid === undefined;
    const wanted = volume !== undefined && !outlived;
    const node = this.#storage.nodes.store.get(name);
    const now_ms = this.#clock.monotonic();
    const since_ms = memory.unwanted.get(name) ?? now_ms;
    if (wanted || !attachment) memory.unwanted.delete(name);
    else memory.unwanted.set(name, since_ms);
    return {
      node: name,
      wanted,
      attachment: stateOf(attachment),
      listed: isListedAsAttached(node, unique),
      inUse: node
        ? (node.status?.volumesInUse?.includes(unique) ?? false)
        : this.gone.mayUse(name, unique),
      ready: node !== undefined && isNodeReady(node),
      outOfService: node !== undefined && isOutOfService(node),
      unwanted_ms: now_ms - since_ms,
    };
  }

  async #apply(step: Step, about: About): Promise<void> {
    const { unique, held, pods, memory } = about;
    const users = pods.get(step.node) ?? [];
    const volume = volumeOn(step.node, about);
    const attachment = held.get(step.node);
    switch (step.do) {
      case "attach": {
        const made = volume && (await this.#writer.attach(volume, step.node));
        if (made) this.written.wrote(unique, made);
        return;
      }
      case "report":
        if (volume && attachment && (await this.#writer.report(attachment, unique))) {
          recordAttached(this.#recorder, volume, users);
        }
        return;
      case "withdraw":
        await this.#writer.withdraw(step.node, unique, true);
        return;
      case "detach": {
        const safe = await this.#writer.withdraw(step.node, unique, step.force !== undefined);
        if (!safe || !attachment) return;
        await this.#writer.delete(attachment);
        return;
      }
      case "refuse": {
        if (!volume || memory.refused.has(step.node)) return;
        memory.refused.add(step.node);
        const holders = step.others.flatMap((node) => pods.get(node) ?? []);
        recordRefused(this.#recorder, volume, users, holders);
        return;
      }
      default:
        return step satisfies never;
    }
  }

  /** Reports to pods why their volume is not attached, once for each error. */
  #reportErrors(about: About): void {
    const { held, pods } = about;
    const { errors } = about.memory;
    for (const [node, { status }] of held) {
      const { message, time } = (!status?.attached && status?.attachError) || {};
      const error = message && `${time} ${message}`;
      if (!error) errors.delete(node);
      else if (errors.get(node) !== error) {
        errors.set(node, error);
        const volume = volumeOn(node, about);
        if (volume) recordFailed(this.#recorder, volume, pods.get(node) ?? [], message);
      }
    }
  }
}

interface About {
  unique: string;
  /** Pods that need the volume, and the volume as each has it. */
  needing: ReadonlyMap<Pod, PersistentVolume>;
  held: ReadonlyMap<string, VolumeAttachment>;
  /** The same pods by their nodes. */
  pods: ReadonlyMap<string, readonly Pod[]>;
  memory: Memory;
}

/** The volume as the pods of a node have it; undefined if none of them needs it. */
function volumeOn(node: string, { needing, pods }: About): PersistentVolume | undefined {
  const volumes = (pods.get(node) ?? []).flatMap((pod) => needing.get(pod) ?? []);
  return volumes.find(({ metadata }) => metadata.uid !== undefined) ?? volumes[0];
}

function stateOf(attachment: VolumeAttachment | undefined): AttachmentState {
  if (!attachment) return "none";
  if (attachment.metadata.deletionTimestamp) return "deleting";
  return attachment.status?.attached ? "attached" : "pending";
}

/** Whether several nodes may have a volume at the same time (upstream's IsMultiAttachAllowed). */
function isMultiAttach(volume: PersistentVolume | undefined): boolean {
  const modes = (volume && translateVolume(volume))?.spec.accessModes ?? [];
  return modes.length === 0 || modes.includes("ReadWriteMany") || modes.includes("ReadOnlyMany");
}
