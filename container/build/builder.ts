import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { removePath } from "@raft2kube/linux/beneath/remove-tree.ts";
import { cgroupsOf } from "@raft2kube/linux/cgroup/open-cgroups.ts";
import { type FileLock, tryLock, waitForLock } from "@raft2kube/linux/file/flock.ts";
import { unmount } from "@raft2kube/linux/mount/mount.ts";
import { readMountInfo } from "@raft2kube/linux/mount/mountinfo.ts";
import { deleteNetns } from "@raft2kube/linux/namespace/netns.ts";
import { readMappedIds } from "@raft2kube/linux/namespace/user-namespace.ts";
import { PodSandboxConfig } from "@raft2kube/proto/gen/cri.ts";
import { runCommand } from "@raft2kube/runtime/command.ts";
import { DiskReserve } from "@raft2kube/runtime/image/disk-reserve.ts";
import type { ImageStore } from "@raft2kube/runtime/image/store.ts";
import { ownCapabilities } from "@raft2kube/runtime/oci/capabilities.ts";
import { managerArgs, prepareCgroups } from "@raft2kube/runtime/oci/hidden-cgroups.ts";
import type { SandboxRecord } from "@raft2kube/runtime/sandbox/record.ts";
import type { Timer } from "@raft2kube/std/clock.ts";
import { type Host, withRemedy } from "../engine/host.ts";
import { type OpenImages, openImages } from "../engine/images.ts";
import { Networks, podNetwork } from "../engine/networks.ts";
import { NAMESPACE } from "../engine/sandbox.ts";
import { DISK_WATCH_INTERVAL_MS, ENGINE_LOCK_TIMEOUT_MS } from "../limits.ts";
import { BuildCache } from "./cache.ts";

/** The beginning of the names of steps' bundles. */
export const STEP = "build-";

/** The signal that ends a build, and the memory in bytes and processes that its steps may use. */
export type BuildLimits = { signal: AbortSignal; memory_bytes: number; pids: number };

/** The folders, images and machine of one build. */
export class Builder {
  readonly host: Host;
  readonly images: ImageStore;
  readonly cache: BuildCache;
  /** The folder of this build's steps, on the disk of the images. */
  readonly work: string;
  /** The folder of bundles. */
  readonly state: string;
  /** The signal is aborted when the build is interrupted, or the disk is nearly full. */
  readonly signal: AbortSignal;
  readonly limits: BuildLimits;
  readonly machine;
  readonly #networks: Networks;
  /** The group of all steps: stages that do not need each other run at the same time. */
  readonly #cgroup: string;
  #cgroups: Disposable | undefined;

  constructor({ host, images }: OpenImages, id: string, limits: BuildLimits) {
    this.host = host;
    this.signal = limits.signal;
    this.limits = limits;
    this.machine = {
      cgroups: cgroupsOf(host.cgroups),
      ownCapabilities: ownCapabilities(),
      ids: readMappedIds(),
    };
    this.work = path.join(host.imagesDir, "builds", id);
    this.state = path.join(host.state, "builds", id);
    this.#networks = new Networks(host);
    this.#cgroup = `${host.cgroupParent}/${STEP}${id}`;
    this.cache = new BuildCache(host.imagesDir);
    this.images = images;
  }

  async open(): Promise<void> {
    for (const folder of [this.work, this.state])
      await mkdir(folder, { recursive: true, mode: 0o700 });
    const { cgroups } = this.machine;
    const { memory_bytes, pids } = this.limits;
    this.#cgroups = prepareCgroups(this.host.cgroups, path.join(this.state, "cgroup-v1"));
    cgroups.create(this.#cgroup);
    cgroups.setLimits(this.#cgroup, {
      ...(cgroups.controllers.includes("memory") && { memory_bytes }),
      ...(cgroups.controllers.includes("pids") && { pids }),
    });
    await this.#networks.load();
  }

  async close(): Promise<void> {
    await this.machine.cgroups.remove(this.#cgroup, { clock: this.host.clock });
    this.machine.cgroups.removeEmpty(this.host.cgroupParent);
    this.#cgroups?.[Symbol.dispose]();
    await removeBuild(this.work);
    await removeBuild(this.state);
  }

  async attach(id: string, netns: string, network: string): Promise<void> {
    await this.#networks.separate();
    this.#networks.get(network); // refuses a name that no network has
    await this.#podNetwork(network).attach(this.#record(id, netns), netns);
  }

  get oci(): string[] {
    return [...managerArgs(this.host.cgroups), "--root", path.join(this.state, "oci")];
  }

  cgroupOf(step: string): string {
    return `${this.#cgroup}/${step}`;
  }

  /** Ends a step, of which only its bundle need be known, and removes what it had. */
  async endStep(step: string): Promise<void> {
    await runCommand(this.host.crun, [...this.oci, "delete", "--force", step]);
    await this.machine.cgroups.remove(this.cgroupOf(step), { clock: this.host.clock });
    const bundle = path.join(this.state, step);
    const file = path.join(bundle, "network");
    if (existsSync(file)) {
      const network = await readFile(file, "utf8");
      const netns = path.join(bundle, "netns");
      await this.#podNetwork(network).detach(this.#record(step, netns));
      deleteNetns(netns);
    }
    await rm(bundle, { recursive: true, force: true });
  }

  #podNetwork = (network: string) => podNetwork(this.host, this.#networks, () => network);

  /** A step's end of a network, which has no sandbox. */
  #record(id: string, netns: string): SandboxRecord {
    const metadata = { name: id, namespace: NAMESPACE, uid: id };
    const config = PodSandboxConfig.decode(PodSandboxConfig.encode({ metadata }));
    const rest = { runtimeHandler: "", createdAt_ms: 0, ips: [], cgroup: "" };
    return { id, config, state: "ready", netns, ...rest };
  }
}

/** Unmounts what is beneath a build's folder, and removes it. */
async function removeBuild(folder: string): Promise<void> {
  const points = readMountInfo().map(({ mountPoint }) => mountPoint);
  for (const point of points.filter((each) => each.startsWith(`${folder}/`)).reverse()) {
    unmount(point, { detach: true });
  }
  await removePath(folder);
}

/** Ends builds that were killed, and removes their folders: no process holds their locks. */
async function removeLeftovers(open: OpenImages, limits: BuildLimits): Promise<void> {
  const folder = path.join(open.host.imagesDir, "builds");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const name of await readdir(folder)) {
    if (!name.endsWith(".lock")) continue;
    const file = path.join(folder, name);
    using lock: FileLock | undefined = tryLock(file);
    if (lock === undefined) continue;
    const id = name.slice(0, -".lock".length);
    const killed = new Builder(open, id, limits);
    await killed.open();
    const steps = (await readdir(killed.state)).filter((each) => each.startsWith(STEP));
    for (const step of steps) await killed.endStep(step);
    await killed.close();
    await removePath(file);
  }
}

/** Calls `full` with the reason once the disk of a folder has too little room for images. */
function watchDisk({ imagesDir, clock }: Host, full: (why: unknown) => void): Disposable {
  const reserve = new DiskReserve(imagesDir);
  let timer: Timer | undefined;
  let isOver = false;
  const again = () => {
    if (isOver) return;
    timer = clock.after(DISK_WATCH_INTERVAL_MS, () => void reserve.require().then(again, full));
  };
  again();
  return {
    [Symbol.dispose]() {
      isOver = true;
      timer?.cancel();
    },
  };
}

/** Runs a build in folders of its own. A killed build's are removed by the next one. */
export async function withBuilder<T>(
  host: Host,
  limits: BuildLimits,
  work: (builder: Builder) => Promise<T>,
): Promise<T> {
  const open = await openImages(host);
  await removeLeftovers(open, limits);
  const id = randomBytes(4).toString("hex");
  const file = path.join(host.imagesDir, "builds", `${id}.lock`);
  // Until another build that has found the file without its lock has let go of it.
  using _ = await waitForLock(file, { mode: "exclusive", timeout_ms: ENGINE_LOCK_TIMEOUT_MS });
  const disk = new AbortController();
  using __ = watchDisk(host, (why) => disk.abort(why));
  const signal = AbortSignal.any([limits.signal, disk.signal]);
  const builder = new Builder(open, id, { ...limits, signal });
  try {
    await builder.open();
    // Layers without an image are not collected meanwhile.
    return await builder.images.receive(() => work(builder));
  } catch (cause) {
    throw withRemedy(cause, host.imagesDir);
  } finally {
    await builder.close();
    await removePath(file);
  }
}
