import { mkdir, rmdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { attachmentName, uniqueVolumeName } from "@raft2kube/client-kube/object/attachments.ts";
import { isMountPoint } from "@raft2kube/linux/mount/mount-point.ts";
import { NodeServiceCapability_RPC_Type as Capability } from "@raft2kube/proto/gen/csi.ts";
import { goCodeName, RpcError } from "@raft2kube/rpc/error.ts";
import { errno, isErrno, messageOf, tolerate } from "@raft2kube/std/errors.ts";
import { KeyedTurns, TimedTurns } from "@raft2kube/std/turns.ts";
import { CSI_VOLUMES_AT_ONCE_MAX, VOLUME_TURN_MS } from "../limits.ts";
import { type CsiDriver, CsiDriverMissingError, type CsiDrivers } from "../plugins/csi-drivers.ts";
import { DRIVER_CALL_TIMEOUT_MS } from "../plugins/limits.ts";
import { namespaceOf } from "../pods/pod-identity.ts";
import { NO_OBJECTS, type PodObjects } from "../pods/pod-objects.ts";
import { type Attaching, awaitAttached } from "./attachment.ts";
import { expandOnNode, waitsForExpansion } from "./csi-expand.ts";
import {
  CSI_PLUGIN_DIR,
  devicePath,
  stagedVolumeDir,
  stagingPath,
  targetPath,
} from "./csi-paths.ts";
import { type CsiMountPlan, driverOf, isBlock, isReadOnly, planCsiMount } from "./csi-plan.ts";
import { type DriverTokens, driverTokens } from "./csi-tokens.ts";
import { csiVolumeUsage } from "./csi-usage.ts";
import {
  type CsiVolumeData,
  readVolumeData,
  usersOfVolume,
  writeVolumeData,
} from "./csi-volume-data.ts";
import { applyFsGroup } from "./fs-group.ts";
import { fsGroupWork, requireLocal } from "./network-mount.ts";
import type {
  ReadyVolume,
  SetUpRequest,
  TearDownRequest,
  VolumePlugin,
  VolumeSpec,
} from "./plugin.ts";
import { VolumeError } from "./volume-error.ts";

export interface CsiPluginOptions extends Attaching {
  rootDir: string;
  drivers: CsiDrivers;
  /** Issues tokens for drivers that request them; without it their volumes are refused. */
  token?: PodObjects["token"];
  /** Timeout of a call, which is then retried; the driver may still work on it. */
  callTimeout_ms?: number;
}

/**
 * Volumes of CSI drivers, persistent and inline: NodeStageVolume once per node, NodePublishVolume
 * once per pod, the reverse on removal. `vol_data.json` is on disk from before the first call of
 * the driver until after the last, so that tearDown always finds an interrupted volume.
 */
export function csiPlugin(options: CsiPluginOptions): VolumePlugin {
  const places = CSI_VOLUMES_AT_ONCE_MAX;
  const turns: Turns = {
    ofVolume: new KeyedTurns(),
    ofNamespaces: new TimedTurns(options.clock, { places, turn_ms: VOLUME_TURN_MS }),
  };
  return {
    name: CSI_PLUGIN_DIR,
    supports: (spec) => driverOf(spec) !== undefined,
    setUp: (request) => setUp(options, turns, request),
    tearDown: (request) => tearDown(options, turns, request),
    usage: ({ dir }) => csiVolumeUsage(options, dir),
  };
}

interface Turns {
  /** Staging is shared by a node's pods: the last unpublish must not race with the next publish. */
  readonly ofVolume: KeyedTurns;
  /** A pod may have hundreds of volumes, for each of which the driver works. */
  readonly ofNamespaces: TimedTurns;
}

/** Runs work of a driver on a volume, for a pod of the namespace. */
const inTurn = (
  { ofVolume, ofNamespaces }: Turns,
  [namespace, volume]: [namespace: string, volume: string],
  work: () => Promise<void>,
): Promise<void> => ofNamespaces.run(namespace, () => ofVolume.run(volume, work));

async function setUp(
  options: CsiPluginOptions,
  turns: Turns,
  request: SetUpRequest,
): Promise<ReadyVolume> {
  const { pod, spec, dir, fsGroup } = request;
  const name = driverOf(spec) ?? "";
  const known = await readVolumeData(dir);
  const block = isBlock(spec);
  const target = targetOf(dir, block);
  const mounted = known?.setUp === true && (await isPublished(target, block));
  const readOnly = isReadOnly(spec);
  const volume: ReadyVolume = block
    ? { kind: "block", devicePath: target, readOnly }
    : { kind: "filesystem", hostPath: target, readOnly };
  // A running pod needs neither the API server nor the driver: both may be restarting.
  if (mounted && !known.republish) {
    await expandMounted(options, spec, { dir, target });
    return volume;
  }

  const driver = requireDriver(options.drivers, name, spec.inTree);
  const object = await options.objects.csiDriver(name, { orCached: mounted });
  const plan = planCsiMount(pod, spec, object, driver.capabilities, fsGroup);
  const tokens = await driverTokens(pod, object, options.token ?? NO_OBJECTS.token);
  const data: CsiVolumeData = {
    driverName: name,
    volumeHandle: plan.volumeHandle,
    specVolID: spec.claim?.pv.metadata.name ?? spec.name,
    nodeName: options.nodeName,
    volumeLifecycleMode: plan.lifecycle,
    setUp: false,
    republish: plan.republish,
    readOnly: plan.readOnly || (spec.claim?.pv.spec.mountOptions ?? []).includes("ro"),
    block,
    ...(plan.attaches && {
      attachmentID: attachmentName(name, plan.volumeHandle, options.nodeName),
    }),
  };
  const key = `${name} ${plan.volumeHandle}`;
  await turns.ofVolume.run(key, async () => {
    if (!known) await requireUnused(options.rootDir, spec, data);
    await mkdir(dir, { recursive: true, mode: 0o750 });
    if (!mounted) await writeVolumeData(dir, data);
    if (plan.attaches) options.inUse.use(uniqueVolumeName(name, plan.volumeHandle));
  });
  // Other pods of the volume need not wait meanwhile.
  const context = plan.attaches ? await awaitAttached(options, name, plan.volumeHandle) : {};
  await inTurn(turns, [namespaceOf(pod), key], async () => {
    const staging = await stage(options, driver, plan, context);
    await publish(options, driver, plan, { target, staging, context, tokens });
    if (mounted) return;
    if (block) await requireDevice(name, target);
    if (plan.ownedByFsGroup && fsGroup !== undefined) {
      await requireLocal(fsGroupWork(plan, { name: spec.name, path: target, own: dir }));
      const policy = pod.spec.securityContext?.fsGroupChangePolicy;
      await applyFsGroup(target, fsGroup, plan.readOnly, policy);
    }
    await writeVolumeData(dir, { ...data, setUp: true });
  });
  await expandMounted(options, spec, { dir, target });
  return volume;
}

/**
 * Throws for a volume of one pod that another has: the scheduler compares only the pods that it
 * places. As upstream, the mode counts if it is the only one.
 */
async function requireUnused(
  rootDir: string,
  { claim }: VolumeSpec,
  data: CsiVolumeData,
): Promise<void> {
  const modes = claim?.pv.spec.accessModes ?? [];
  if (modes.some((mode) => mode !== "ReadWriteOncePod") || modes.length === 0) return;
  if ((await usersOfVolume(join(rootDir, "pods"), data)).length === 0) return;
  const message =
    "volume uses the ReadWriteOncePod access mode and is already in use by another pod";
  throw new VolumeError("MountFailed", message);
}

/** Lets the driver grow a volume that is mounted, if its claim waits for that. */
async function expandMounted(
  options: CsiPluginOptions,
  spec: VolumeSpec,
  { dir, target }: { dir: string; target: string },
): Promise<void> {
  if (!waitsForExpansion(spec)) return;
  const data = await readVolumeData(dir);
  const driver = options.drivers.list().find(({ name }) => name === data?.driverName);
  if (!data || !driver) return;
  const stages = driver.capabilities.has(Capability.STAGE_UNSTAGE_VOLUME);
  const staged = stages ? stagingPath(options.rootDir, driver.name, data.volumeHandle) : "";
  const expandable = { spec, targetPath: target, stagingPath: staged };
  await expandOnNode(driver, options.objects, expandable, options.clock.now());
}

/** Stages the volume if the driver supports it. Returns its staging path. */
async function stage(
  options: CsiPluginOptions,
  driver: CsiDriver,
  plan: CsiMountPlan,
  publishContext: Record<string, string>,
): Promise<string> {
  const stages = driver.capabilities.has(Capability.STAGE_UNSTAGE_VOLUME);
  if (!stages || plan.lifecycle === "Ephemeral") return "";
  const { volumeHandle, capability, volumeContext } = plan;
  const staging = stagingPath(options.rootDir, driver.name, volumeHandle);
  // A file system that is mounted there already is not looked into: its server may not answer.
  if (!isMountPoint(staging)) await mkdir(staging, { recursive: true, mode: 0o750 });
  const secrets = plan.stageSecret ? await options.objects.secret(plan.stageSecret) : {};
  await call(() =>
    driver.node.nodeStageVolume(
      {
        volumeId: volumeHandle,
        stagingTargetPath: staging,
        volumeCapability: capability,
        volumeContext: withoutPodInfo(volumeContext),
        publishContext,
        secrets,
      },
      { timeout_ms: timeoutOf(options) },
    ),
  );
  return staging;
}

/** Staging is shared by pods: fields that name a pod are for publishing only. */
function withoutPodInfo(context: Record<string, string>): Record<string, string> {
  const prefix = "csi.storage.k8s.io/";
  return Object.fromEntries(Object.entries(context).filter(([key]) => !key.startsWith(prefix)));
}

async function publish(
  options: CsiPluginOptions,
  driver: CsiDriver,
  plan: CsiMountPlan,
  {
    target,
    staging,
    context,
    tokens,
  }: { target: string; staging: string; context: Record<string, string>; tokens: DriverTokens },
): Promise<void> {
  const secrets = plan.publishSecret ? await options.objects.secret(plan.publishSecret) : {};
  await call(() =>
    driver.node.nodePublishVolume(
      {
        volumeId: plan.volumeHandle,
        stagingTargetPath: staging,
        targetPath: target,
        publishContext: context,
        volumeCapability: plan.capability,
        volumeContext: { ...plan.volumeContext, ...tokens.volumeContext },
        readonly: plan.readOnly,
        secrets: { ...secrets, ...tokens.secrets },
      },
      { timeout_ms: timeoutOf(options) },
    ),
  );
}

async function tearDown(
  options: CsiPluginOptions,
  turns: Turns,
  { dir, owner = "" }: TearDownRequest,
): Promise<void> {
  const data = await readVolumeData(dir);
  if (!data) return removeVolume(dir);
  const { driverName, volumeHandle, block } = data;
  const target = targetOf(dir, block);
  await inTurn(turns, [owner, `${driverName} ${volumeHandle}`], async () => {
    const driver = requireDriver(options.drivers, driverName);
    await call(() =>
      driver.node.nodeUnpublishVolume(
        { volumeId: volumeHandle, targetPath: target },
        { timeout_ms: timeoutOf(options) },
      ),
    );
    if (await isPublished(target, block)) {
      const message = `driver ${driverName} left ${target} mounted`;
      throw new VolumeError("StillMounted", message);
    }
    // An inline volume is one pod's, and is neither staged nor attached: those of others, of which
    // a pod has 512, are not looked through for each.
    const isShared = data.volumeLifecycleMode === "Persistent";
    if (isShared && (await isLast(options.rootDir, dir, data))) {
      await unstage(options, driver, data);
      // It may be detached now, also if a directory cannot be removed.
      options.inUse.release(uniqueVolumeName(driverName, volumeHandle));
    }
    await removeVolume(dir);
  });
}

/** Whether no other pod has the volume that is removed. */
async function isLast(rootDir: string, dir: string, data: CsiVolumeData): Promise<boolean> {
  const users = await usersOfVolume(join(rootDir, "pods"), data);
  return users.every((user) => user === dir);
}

async function unstage(
  options: CsiPluginOptions,
  driver: CsiDriver,
  data: CsiVolumeData,
): Promise<void> {
  const stages = driver.capabilities.has(Capability.STAGE_UNSTAGE_VOLUME);
  if (!stages) return;
  const staging = stagingPath(options.rootDir, driver.name, data.volumeHandle);
  await call(() =>
    driver.node.nodeUnstageVolume(
      { volumeId: data.volumeHandle, stagingTargetPath: staging },
      { timeout_ms: timeoutOf(options) },
    ),
  );
  if (isMountPoint(staging)) {
    throw new VolumeError("StillMounted", `driver ${driver.name} left ${staging} mounted`);
  }
  await removeEmpty(staging);
  await removeEmpty(stagedVolumeDir(options.rootDir, driver.name, data.volumeHandle));
}

/**
 * Removes the directories that setUp made if they are empty: a mount's content is never deleted.
 */
async function removeVolume(dir: string): Promise<void> {
  for (const target of [targetPath(dir), devicePath(dir)]) {
    if (!isMountPoint(target)) continue;
    throw new VolumeError("StillMounted", `${target} is mounted by no known driver`);
  }
  await removeEmpty(targetPath(dir));
  await absentIsFine(unlink(devicePath(dir)));
  await absentIsFine(unlink(join(dir, "vol_data.json")));
  await removeEmpty(dir);
}

const targetOf = (dir: string, block: boolean): string =>
  block ? devicePath(dir) : targetPath(dir);

/** Whether a volume is there: a mount, or a device's node, which need not be a mount. */
async function isPublished(target: string, block: boolean): Promise<boolean> {
  return block ? isBlockDevice(target) : isMountPoint(target);
}

async function isBlockDevice(file: string): Promise<boolean> {
  try {
    return (await stat(file)).isBlockDevice();
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT", "ENOTDIR")) return false;
    throw thrown;
  }
}

async function requireDevice(driver: string, target: string): Promise<void> {
  if (await isBlockDevice(target)) return;
  throw new VolumeError("MountFailed", `driver ${driver} made no block device at ${target}`);
}

const removeEmpty = (directory: string): Promise<void> => absentIsFine(rmdir(directory));

async function absentIsFine(removed: Promise<void>): Promise<void> {
  await tolerate(removed, errno("ENOENT"));
}

function requireDriver(drivers: CsiDrivers, name: string, inTree?: string): CsiDriver {
  try {
    return drivers.require(name);
  } catch (thrown) {
    if (!(thrown instanceof CsiDriverMissingError)) throw thrown;
    const kind = inTree === undefined ? "" : `volumes of kind ${inTree} need a CSI driver: `;
    throw new VolumeError("NotFound", `${kind}${thrown.message}`, { cause: thrown });
  }
}

function timeoutOf({ callTimeout_ms = DRIVER_CALL_TIMEOUT_MS }: CsiPluginOptions): number {
  return callTimeout_ms;
}

/** Runs a call of the driver; its error keeps the driver's message, as upstream prints it. */
async function call<R>(made: () => Promise<R>): Promise<R> {
  try {
    return await made();
  } catch (thrown) {
    if (!(thrown instanceof RpcError)) throw thrown;
    const message = `rpc error: code = ${goCodeName(thrown)} desc = ${messageOf(thrown)}`;
    throw new VolumeError("MountFailed", message, { cause: thrown });
  }
}
