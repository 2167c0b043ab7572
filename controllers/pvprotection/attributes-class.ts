import type { PersistentVolume, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import {
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  VOLUME_ATTRIBUTES_CLASSES,
} from "@raft2kube/client-kube/rest/resources.ts";
import type { ControllerContext, Running } from "../context.ts";
import { everyChange, startLoop } from "../loop.ts";
import { protect, release } from "./finalizer.ts";

const FINALIZER = "kubernetes.io/vac-protection";

/** Keeps a class that is being deleted until no volume has its attributes nor claim wants them. */
export function startAttributesClassProtection(context: ControllerContext): Running {
  const account = "volumeattributesclass-protection-controller";
  const classes = context.informers.of(VOLUME_ATTRIBUTES_CLASSES);
  const claims = context.informers.of(PERSISTENT_VOLUME_CLAIMS);
  const volumes = context.informers.of(PERSISTENT_VOLUMES);
  const client = context.client(account);
  const writer = client.resource(VOLUME_ATTRIBUTES_CLASSES);
  const claimReader = client.resource(PERSISTENT_VOLUME_CLAIMS);
  const volumeReader = client.resource(PERSISTENT_VOLUMES);

  const reconcile = async (key: string) => {
    const found = classes.store.get(key);
    if (!found) return;
    if (!found.metadata.deletionTimestamp) return await protect(writer, found, FINALIZER);
    const { name = "" } = found.metadata;
    const named = (each: PersistentVolumeClaim | PersistentVolume) =>
      attributesClassesOf(each).includes(name);
    if ([...claims.store.list(), ...volumes.store.list()].some(named)) return;
    // The informers may be late.
    const [all, others] = await Promise.all([claimReader.listAll({}), volumeReader.listAll({})]);
    if ([...all.items, ...others.items].some(named)) return;
    await release(writer, found, FINALIZER);
  };

  const reads = [classes, claims, volumes];
  const loop = startLoop(context, {
    queue: "vacprotection",
    name: account,
    reads,
    workers: 1,
    reconcile,
  });
  classes.handle(everyChange(loop.queue));
  // An object that named a class before may be the one that kept it.
  const look = (each: PersistentVolumeClaim | PersistentVolume) => {
    for (const name of attributesClassesOf(each)) loop.queue.add(name);
  };
  const changed = { updated: (_now: object, before: PersistentVolumeClaim) => look(before) };
  claims.handle({ ...changed, deleted: look });
  volumes.handle({ updated: (_now, before) => look(before), deleted: look });
  return loop;
}

/** The classes that a volume has the attributes of, or that a claim has, wants, or is given. */
export function attributesClassesOf(object: PersistentVolumeClaim | PersistentVolume): string[] {
  const { volumeAttributesClassName: wanted } = object.spec;
  const { currentVolumeAttributesClassName: current, modifyVolumeStatus } =
    (object as PersistentVolumeClaim).status ?? {};
  const names = [wanted, current, modifyVolumeStatus?.targetVolumeAttributesClassName];
  return [...new Set(names.filter((name) => name !== undefined && name !== ""))] as string[];
}
