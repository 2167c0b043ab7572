import path from "node:path";
import { createContainer } from "@raft2kube/runtime/container/create.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import type { ImageDefaults } from "@raft2kube/runtime/image/config.ts";
import { newId } from "@raft2kube/runtime/record-table.ts";
import { removePodSandbox } from "@raft2kube/runtime/sandbox/stop.ts";
import { TIME_OFFSETS } from "@raft2kube/runtime/sandbox/time-namespace.ts";
import type { Hand, HandContainer, HandMount } from "../engine/hand.ts";
import { type Host, requireCgroups } from "../engine/host.ts";
import { randomName, requireName } from "../engine/names.ts";
import type { Engine } from "../engine/open-engine.ts";
import { reportToPeers, startSandbox, writeHosts } from "../engine/sandbox.ts";
import { removeHand } from "../engine/settle.ts";
import { STOP_TIMEOUT_S } from "../limits.ts";
import { optionOf } from "../verb.ts";
import { commandOf, containerConfig, extrasOf, healthOf, sandboxConfig } from "./config.ts";
import { LIMIT_FLAGS, type RunFlags } from "./flags.ts";
import { imageVolumes, type MountWish } from "./mounts.ts";
import { chosenPorts, exposedPorts } from "./ports.ts";
import { badFlag } from "./values.ts";

const SHORT = 12;

/** Mounts by place: those of flags replace those of other containers, these the image's volumes. */
function mountWishes(engine: Engine, flags: RunFlags, image: ImageDefaults): MountWish[] {
  const byPlace = new Map<string, MountWish>();
  const take = (wish: MountWish) => byPlace.set(wish.destination, wish);
  for (const wish of imageVolumes(image)) take(wish);
  for (const from of flags.volumesFrom) {
    const [name = "", mode] = from.split(":");
    const { mounts } = engine.containers.get(name).hand;
    for (const mount of mounts) take({ ...mount, isReadOnly: mode === "ro" || mount.isReadOnly });
  }
  for (const wish of [...flags.volume, ...flags.mount, ...flags.tmpfs]) take(wish);
  return [...byPlace.values()];
}

/** Names the volume of a mount, which need not be there yet. */
function realMount({ volumes }: Engine, wish: MountWish): HandMount {
  const { options: _, ...mount } = wish;
  if (mount.type !== "volume") return { ...mount, source: mount.source ?? "tmpfs" };
  const name = mount.name ?? newId();
  return { ...mount, name, source: volumes.dataOf(name) };
}

/** Makes a container's volumes, with the image's content where they are empty. */
async function makeVolumes({ volumes, runtime }: Engine, { record, hand }: HandContainer) {
  const { rootfs } = runtime.paths.container(record.id);
  for (const { name, destination, copies, isAnonymous = false } of hand.mounts) {
    if (name === undefined) continue;
    await volumes.ensure(name, { isAnonymous });
    if (copies) await volumes.fill(name, rootfs, destination);
  }
}

function networkOf(engine: Engine, { network }: RunFlags): string {
  const [, other] = /^container:(.+)$/.exec(network) ?? [];
  if (other !== undefined) return `container:${engine.containers.get(other).record.id}`;
  const name = network === "default" ? "bridge" : network;
  if (name !== "none" && name !== "host") engine.networks.get(name);
  return name;
}

function requireLimits(host: Host, flags: RunFlags): void {
  for (const [words, about] of Object.entries(LIMIT_FLAGS)) {
    const option = optionOf(words, about);
    const given = flags[option.attributeName() as keyof RunFlags];
    if (Array.isArray(given) ? given.length : given !== undefined)
      requireCgroups(host, option.long!);
  }
}

/** The settings of a container to be made. */
function handOf(
  engine: Engine,
  flags: RunFlags,
  wish: { id: string; image: string; defaults: ImageDefaults; args: readonly string[] },
): Hand {
  const { id, image, defaults, args } = wish;
  const { containers } = engine;
  const name = flags.name ?? randomName((taken) => containers.find(taken) !== undefined);
  containers.requireFree(requireName("container", name));
  const network = networkOf(engine, flags);
  const asked = [...flags.publish, ...(flags.publishAll ? exposedPorts(defaults) : [])];
  if (asked.length > 0 && /^(none|host|container:)/.test(network)) {
    const why = `network ${network} has no ports to publish`;
    throw badFlag("-p", String(asked[0]!.containerPort), why);
  }
  const { hostname = id.slice(0, SHORT) } = flags;
  if (!/^[a-zA-Z0-9][a-zA-Z0-9.-]{0,63}$/.test(hostname)) {
    throw badFlag("--hostname", hostname, "is no name of a host");
  }
  const health = healthOf(flags, defaults);
  const { restart, stopTimeout = STOP_TIMEOUT_S } = flags;
  if (flags.rm && restart.name !== "no") throw badFlag("--restart", restart.name, "excludes --rm");
  return {
    name,
    image,
    network,
    hostname,
    addedHosts: flags.addHost,
    ports: chosenPorts(
      asked,
      containers.all().flatMap(({ hand }) => hand.ports),
    ),
    mounts: [],
    restart,
    restarts: 0,
    removesItself: flags.rm,
    isUnfinished: true,
    stopTimeout_s: stopTimeout,
    ...(health && { health }),
    hasInit: flags.init,
    ...commandOf(flags, args, defaults),
    log: id.slice(0, SHORT),
  };
}

/** The sandbox of another container that runs, for `--network container:NAME`. */
function joinedSandbox({ containers }: Engine, network: string, flags: RunFlags) {
  const [, id] = /^container:(.+)$/.exec(network) ?? [];
  if (id === undefined) return undefined;
  if (flags.annotation.some(([name]) => name === TIME_OFFSETS)) {
    throw badFlag("--annotation", TIME_OFFSETS, "the clocks are the other's");
  }
  return containers.running(id).record.sandboxId;
}

/**
 * Makes a container of an image that is here, in a sandbox of its own. A failure leaves nothing
 * behind but volumes with a name. It stays unfinished until the caller starts it, or changes that.
 */
export async function createHand(
  engine: Engine,
  flags: RunFlags,
  { image: name, args }: { image: string; args: readonly string[] },
): Promise<HandContainer> {
  const { runtime, host, containers } = engine;
  requireLimits(host, flags);
  const found = runtime.images.get(name);
  const defaults = found.config.config ?? {};
  const id = newId();
  const wishes = mountWishes(engine, flags, defaults);
  const hand = handOf(engine, flags, { id, image: name, defaults, args });
  hand.mounts = wishes.map((wish) => realMount(engine, wish));
  const config = containerConfig(flags, { hand, imageId: found.id, image: defaults });
  if (config.command.length === 0) {
    throw new RuntimeError("invalid-argument", `image ${name} has no command: name one after it`);
  }
  const tmpfs = wishes.filter(({ type }) => type === "tmpfs");
  const extras = extrasOf(flags, { tmpfs, ...(hand.hasInit && { init: host.init }) });
  const joined = joinedSandbox(engine, hand.network, flags);
  const logDirectory = path.join(host.root, "logs");
  const podSandboxId =
    joined ?? (await startSandbox(engine, sandboxConfig(flags, { hand, id, logDirectory })));
  try {
    const sandboxConfig = runtime.sandboxes.get(podSandboxId).config;
    const request = { podSandboxId, config, sandboxConfig };
    await createContainer(runtime, request, { id, extras });
    await makeVolumes(engine, containers.get(id));
    if (joined === undefined) await writeHosts(engine, podSandboxId, hand);
    await reportToPeers(engine, hand);
  } catch (error) {
    const made = containers.find(id);
    if (made) await removeHand(engine, made, { volumes: true });
    else if (joined === undefined) await removePodSandbox(runtime, podSandboxId);
    throw error;
  }
  return containers.get(id);
}
