import { mkdir } from "node:fs/promises";
import { removePath } from "@raft2kube/linux/beneath/remove-tree.ts";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import type { Member } from "@raft2kube/proto/gen/etcd.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { runningControlPlanes } from "../observe/cluster.ts";
import { lostControlPlanes } from "../observe/store-data.ts";
import { ensureControlPlanePki } from "../pki/control-plane.ts";
import type { StepOf } from "../plan/step.ts";
import { type ClusterConfig, writeCluster } from "../spec/config.ts";
import {
  controlPlaneConfig,
  controlPlanePlace,
  foundControlPlanes,
  peerUrlOf,
} from "../spec/control-planes.ts";
import { setStopped } from "../spec/nodes.ts";
import { storeSocket } from "../spec/store.ts";
import { MEMBER_CALL, type MemberWork, withMember } from "../store/members.ts";
import { CommandError } from "../terminal.ts";
import { type Context, untilAborted } from "./context.ts";
import { endProcess } from "./end-process.ts";
import { addNodeLink, removeNodeLink } from "./network.ts";
import { ensureProcess } from "./processes.ts";

/** How long a control plane that is asked to end may serve on, hand over, and finish answers. */
const GRACEFUL_END_MS = 20_000;
/** How long a change of the store's members may take: it needs a leader and a majority. */
const MEMBERS_TIMEOUT_MS = 30_000;
const MEMBERS_RETRY_MS = 200;

/** Starts control planes, all at a time, but those whose data is lost. */
export function applyControlPlanes(
  { cluster, names }: StepOf<"control-planes">,
  context: Context,
): Promise<void> {
  const lost = lostControlPlanes(cluster);
  const started = names.filter((name) => !lost.includes(name));
  for (const name of names.filter((one) => lost.includes(one))) {
    context.progress.note(
      `  ${name} has lost its data and does not start; once the others run: ` +
        `${command(cluster, "remove", name)}, then ${command(cluster, "add", name)}`,
    );
  }
  return context.step(`control planes: ${started.join(", ")}`, () => {
    return untilAborted(context.signal, async () => {
      const configs = started.map((name) => controlPlaneConfig(cluster, name));
      for (const config of configs) await prepare(cluster, config, context);
      await Promise.all(configs.map((config) => ensureProcess(config, "control", context)));
    });
  });
}

const command = ({ name }: Pick<ClusterConfig, "name">, verb: string, controlPlane: string) =>
  `r2k control-plane ${verb} ${controlPlane}${name === "default" ? "" : ` --name ${name}`}`;

/** Makes a control plane's folders, identities and link. */
async function prepare(
  cluster: ClusterConfig,
  config: ClusterConfig,
  { clock, progress }: Context,
): Promise<void> {
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 });
  await mkdir(config.runDir, { recursive: true, mode: 0o700 });
  await writeCluster(config);
  await ensureControlPlanePki(cluster, config, clock.now(), progress.note);
  await addNodeLink(config);
  await setStopped(config, false);
}

/** Asks a control plane to end: its clients are led to others, its leaderships handed over. */
export async function applyStopControlPlane(
  { cluster, name }: StepOf<"stop-control-plane">,
  { clock, step }: Context,
): Promise<void> {
  const place = controlPlanePlace(cluster, name);
  await step(`stopping ${name}`, async () => {
    await setStopped(place, true);
    await endProcess(place, "control", clock, { timeout_ms: GRACEFUL_END_MS });
  });
}

/** Removes a control plane for good: from the store's members, its identities and its data. */
export async function applyRemoveControlPlane(
  { cluster, name }: StepOf<"remove-control-plane">,
  { clock, step }: Context,
): Promise<void> {
  const place = controlPlanePlace(cluster, name);
  await step(`removing ${name}`, async () => {
    // First, since the others refuse this while they could lose their quorum by it.
    await withMembers(cluster, name, clock, async (members, known) => {
      const own = memberAt(known, cluster, name);
      if (own !== undefined) await members.memberRemove({ ID: own.ID }, MEMBER_CALL);
    });
    await endProcess(place, "control", clock, { timeout_ms: GRACEFUL_END_MS });
    await removeNodeLink(place);
    await removePath(place.runDir);
    await removePath(place.dataDir);
    await writeCluster(cluster);
  });
}

/**
 * Adds a control plane with identities and data of its own. Its member is a learner until it has
 * caught up: until then it counts in no majority.
 */
export async function applyAddControlPlane(
  { cluster, name }: StepOf<"add-control-plane">,
  context: Context,
): Promise<void> {
  const { clock, signal } = context;
  const config = controlPlaneConfig(cluster, name, "joins");
  await context.step(`adding ${name}`, () =>
    untilAborted(signal, async () => {
      await prepare(cluster, config, context);
      const peerURLs = [peerUrlOf(cluster, name)];
      await withMembers(cluster, name, clock, async (members, known) => {
        if (memberAt(known, cluster, name)) return;
        await members.memberAdd({ peerURLs, isLearner: true }, MEMBER_CALL);
      });
      const promoted = withMembers(
        cluster,
        name,
        clock,
        async (members, known) => {
          const own = memberAt(known, cluster, name);
          if (own?.isLearner !== true) return;
          await members.memberPromote({ ID: own.ID }, MEMBER_CALL);
        },
        PROMOTE_TIMEOUT_MS,
      );
      await Promise.all([ensureProcess(config, "control", context), promoted]);
      await writeCluster(cluster);
    }),
  );
}

/** A member catches up with the data of the others first. */
const PROMOTE_TIMEOUT_MS = 60_000;

function memberAt(members: readonly Member[], cluster: ClusterConfig, name: string) {
  return members.find(({ peerURLs }) => peerURLs.includes(peerUrlOf(cluster, name)));
}

/** Asks the members of the other control planes in turn until one has done it. */
async function withMembers(
  cluster: ClusterConfig,
  except: string,
  clock: Clock,
  change: MemberWork<void>,
  timeout_ms = MEMBERS_TIMEOUT_MS,
): Promise<void> {
  const others = [...runningControlPlanes(cluster)].filter((name) => name !== except);
  let why = "none of the others runs";
  let turn = 0;
  const done = async () => {
    const name = others[turn++ % Math.max(1, others.length)];
    if (name === undefined) return false;
    const socket = storeSocket(controlPlanePlace(cluster, name));
    try {
      await withMember(`unix://${socket}`, change);
      return true;
    } catch (thrown) {
      why = messageOf(thrown);
      return false;
    }
  };
  const waiting = { clock: machineClock(clock), timeout_ms, interval_ms: MEMBERS_RETRY_MS };
  await waitFor("a change of the store's members", done, waiting).catch((cause: unknown) => {
    const what = `the store's members cannot be changed: ${why}`;
    const remedy = `start what has ended: r2k status --name ${cluster.name}`;
    throw new CommandError("MEMBERS", what, { remedy, cause });
  });
}

/** Ends the processes of all control planes concurrently and in a hurry; removes their links. */
export async function endControlPlanes(
  cluster: Parameters<typeof foundControlPlanes>[0],
  clock: Clock,
): Promise<void> {
  const places = foundControlPlanes(cluster).map((name) => controlPlanePlace(cluster, name));
  await Promise.all(
    places.map((place) => endProcess(place, "control", clock, { signal: "SIGINT" })),
  );
  for (const place of places) await removeNodeLink(place);
}
