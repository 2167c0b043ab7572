import { defaultOf } from "@raft2kube/api/default-class.ts";
import type { PersistentVolume, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import type { StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import { isDefaultClass } from "@raft2kube/api/storage/v1/storage-class.ts";
import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import type { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import {
  CLAIM_PROVISIONERS,
  VOLUME_PROVISIONERS,
} from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import {
  STORAGE_PROVISIONER,
  STORAGE_PROVISIONER_BETA,
  takerOf,
  takersOf,
} from "@raft2kube/client-kube/object/volumes.ts";
import {
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  STORAGE_CLASSES,
} from "@raft2kube/client-kube/rest/resources.ts";
import type { ControllerContext, Running } from "../context.ts";
import { closeAll, startLoop } from "../loop.ts";
import { bind, noteMigration, setClass, type VolumeWriters, withPhase } from "./apply.ts";
import { type ClaimView, planClaim } from "./claim-plan.ts";
import { planVolume, unbound } from "./volume-plan.ts";

const ACCOUNT = "persistent-volume-binder";
const COMPONENT = "persistentvolume-controller";

interface Storage {
  claims: Informer<PersistentVolumeClaim>;
  volumes: Informer<PersistentVolume>;
  classes: Informer<StorageClass>;
}

/**
 * The index of volumes by what may take them, and of open claims by what they may take as: together
 * they find a claim's volumes and a volume's claims.
 */
const TAKER_INDEX = "taker";
/** The index of claims by the volume that they name. */
const VOLUME_INDEX = "volume";

const isOpen = ({ status }: PersistentVolumeClaim): boolean => status?.phase !== "Bound";

function writersOf(context: ControllerContext): VolumeWriters {
  const client = context.client(ACCOUNT);
  return {
    claims: client.resource(PERSISTENT_VOLUME_CLAIMS),
    volumes: client.resource(PERSISTENT_VOLUMES),
  };
}

/** Binds claims and volumes, and annotates claims for their provisioners. */
export function startVolumeBinder(context: ControllerContext): Running {
  const storage: Storage = {
    claims: context.informers.of(PERSISTENT_VOLUME_CLAIMS),
    volumes: context.informers.of(PERSISTENT_VOLUMES),
    classes: context.informers.of(STORAGE_CLASSES),
  };
  const { claims, volumes } = storage;
  volumes.index(TAKER_INDEX, (volume) => [takerOf(volume)]);
  claims.index(TAKER_INDEX, (claim) => (isOpen(claim) ? takersOf(claim) : []));
  claims.index(VOLUME_INDEX, ({ spec }) => (spec.volumeName ? [spec.volumeName] : []));
  const writers = writersOf(context);
  const recorder = context.recorder(ACCOUNT, COMPONENT);
  const reads = [storage.claims, storage.volumes, storage.classes];
  // One worker each, as upstream: two claims must not choose the same volume.
  const claimLoop = startLoop(context, {
    queue: "claims",
    name: "persistentvolume-binder-controller",
    reads,
    workers: 1,
    reconcile: async (key) => {
      const claim = storage.claims.store.get(key);
      if (claim && !claim.metadata.deletionTimestamp) {
        await reconcileClaim(storage, writers, recorder, claim);
      }
    },
  });
  const volumeLoop = startLoop(context, {
    queue: "volumes",
    name: "persistentvolume-binder-controller",
    reads,
    workers: 1,
    reconcile: async (key) => {
      // One that is being deleted too: its protection ends when it no longer counts as bound.
      const volume = storage.volumes.store.get(key);
      if (!volume) return;
      await reconcileVolume(storage, writers, volume, {
        recorder,
        lookAtClaim: (name) => claimLoop.queue.add(name),
      });
    },
  });
  const lookAtClaim = (claim: PersistentVolumeClaim) => claimLoop.queue.add(keyOf(claim));
  const lookAtVolume = (volume: PersistentVolume) => volumeLoop.queue.add(keyOf(volume));
  const lookAtOwners = (volume: PersistentVolume) => {
    storage.claims.store.by(VOLUME_INDEX, keyOf(volume)).forEach(lookAtClaim);
  };
  const volumeChanged = (volume: PersistentVolume) => {
    lookAtVolume(volume);
    lookAtOwners(volume);
    storage.claims.store.by(TAKER_INDEX, takerOf(volume)).forEach(lookAtClaim);
  };
  storage.volumes.handle({ added: volumeChanged, updated: volumeChanged, deleted: lookAtOwners });
  const claimChanged = (claim: PersistentVolumeClaim) => {
    lookAtClaim(claim);
    if (claim.spec.volumeName) volumeLoop.queue.add(claim.spec.volumeName);
  };
  storage.claims.handle({
    added: claimChanged,
    updated: claimChanged,
    deleted: (claim) => {
      claimChanged(claim);
      // It may have been reserved a volume whose name it does not have yet.
      storage.volumes.store.by(TAKER_INDEX, keyOf(claim)).forEach(lookAtVolume);
    },
  });
  const classChanged = () => storage.claims.store.list().filter(isOpen).forEach(lookAtClaim);
  storage.classes.handle({ added: classChanged, updated: classChanged });
  return closeAll(claimLoop, volumeLoop, recorder);
}

async function reconcileClaim(
  { volumes, classes }: Storage,
  writers: VolumeWriters,
  recorder: EventRecorder,
  known: PersistentVolumeClaim,
): Promise<void> {
  const view: ClaimView = {
    volumes: () => takersOf(known).flatMap((taker) => volumes.store.by(TAKER_INDEX, taker)),
    volume: (name) => volumes.store.get(name),
    storageClass: (name) => classes.store.get(name),
    defaultClass: () => defaultOf(classes.store.list(), isDefaultClass),
  };
  const claim = await noteMigration(writers.claims, known, CLAIM_PROVISIONERS);
  const action = planClaim(claim, view);
  switch (action.do) {
    case "bind":
      return bind(writers, claim, action.volume);
    case "default-class":
      return setClass(writers, claim, action.name);
    case "provision":
      return askProvisioner(writers, recorder, claim, action.provisioner);
    case "wait": {
      const { event } = action;
      if (event) recorder.record(claim, event.type, event.reason, event.message);
      return setPhase(writers, claim, "Pending");
    }
    case "lost": {
      const { type, reason, message } = action.event;
      if (claim.status?.phase !== "Lost") recorder.record(claim, type, reason, message);
      return setPhase(writers, claim, "Lost");
    }
  }
}

async function askProvisioner(
  writers: VolumeWriters,
  recorder: EventRecorder,
  claim: PersistentVolumeClaim,
  provisioner: string,
): Promise<void> {
  const message =
    `Waiting for a volume to be created either by the external provisioner '${provisioner}' or ` +
    "manually by the system administrator. If volume creation is delayed, please verify that " +
    "the provisioner is running and correctly registered.";
  recorder.record(claim, "Normal", "ExternalProvisioning", message);
  let current = claim;
  const { annotations = {} } = claim.metadata;
  if (annotations[STORAGE_PROVISIONER] !== provisioner) {
    const asked = {
      ...annotations,
      [STORAGE_PROVISIONER]: provisioner,
      [STORAGE_PROVISIONER_BETA]: provisioner,
    };
    const metadata = { ...claim.metadata, annotations: asked };
    current = await writers.claims.update({ ...claim, metadata });
  }
  await setPhase(writers, current, "Pending");
}

/** Sets the phase of a claim without a volume, and removes what the status says of one. */
async function setPhase(
  writers: VolumeWriters,
  claim: PersistentVolumeClaim,
  phase: "Pending" | "Lost",
): Promise<void> {
  if (claim.status?.phase === phase) return;
  const {
    capacity: _capacity,
    accessModes: _modes,
    currentVolumeAttributesClassName: _attributes,
    ...status
  } = claim.status ?? {};
  await writers.claims.updateStatus({ ...claim, status: { ...status, phase } });
}

async function reconcileVolume(
  storage: Storage,
  writers: VolumeWriters,
  known: PersistentVolume,
  { recorder, lookAtClaim }: { recorder: EventRecorder; lookAtClaim: (key: string) => void },
): Promise<void> {
  const volume = await noteMigration(writers.volumes, known, VOLUME_PROVISIONERS);
  const claim = await claimOf(storage, writers, volume);
  if (claim === "gone before") return;
  const action = planVolume(volume, claim);
  switch (action.do) {
    case "phase":
      if (volume.status?.phase === action.phase) return;
      await writers.volumes.updateStatus(withPhase(volume, action.phase));
      return;
    case "unbind": {
      const freed = await writers.volumes.update(unbound(volume));
      await writers.volumes.updateStatus(withPhase(freed, "Available"));
      return;
    }
    case "look-at-claim":
      if (claim) lookAtClaim(keyOf(claim));
      return;
    case "failed":
      if (volume.status?.phase === "Failed") return;
      await writers.volumes.updateStatus(withPhase(volume, "Failed", action.message));
      recorder.record(volume, "Warning", action.reason, action.message);
      return;
  }
}

/**
 * The claim of a volume. Before it counts as gone the server is asked: data may hang on it. It is
 * not asked again for a volume that shows that its claim is gone: no other gets the claim's uid.
 */
async function claimOf(
  { claims }: Storage,
  writers: VolumeWriters,
  volume: PersistentVolume,
): Promise<PersistentVolumeClaim | "gone before" | undefined> {
  const { namespace = "", name, uid } = volume.spec.claimRef ?? {};
  if (!name || !uid) return undefined;
  const known = claims.store.get(`${namespace}/${name}`);
  if (known?.metadata.uid === uid) return known;
  const without = planVolume(volume, undefined);
  const isShown = without.do === "phase" && without.phase === volume.status?.phase;
  if (isShown) return "gone before";
  return undefinedIfNotFound(writers.claims.get({ namespace, name }));
}
