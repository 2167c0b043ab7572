import path from "node:path";
import { cgroupsOf } from "@raft2kube/linux/cgroup/open-cgroups.ts";
import { openRuntime } from "@raft2kube/runtime/open.ts";
import { keptByCache } from "../build/cache.ts";
import { ENGINE_LOCK_TIMEOUT_MS } from "../limits.ts";
import { Containers } from "./containers.ts";
import type { PublishedPort } from "./hand.ts";
import { type Host, withRemedy } from "./host.ts";
import { Networks, podNetwork } from "./networks.ts";
import type { Engine } from "./open-engine.ts";
import { NETWORK_ANNOTATION } from "./sandbox.ts";
import { settle } from "./settle.ts";
import { Volumes } from "./volumes.ts";

/**
 * Runs `work` while no other command changes containers. Long waits belong outside: others wait
 * meanwhile. Containers that have ended since are settled first.
 */
export async function withEngine<T>(host: Host, work: (engine: Engine) => Promise<T>): Promise<T> {
  const networks = new Networks(host);
  await networks.load();
  const { runtime, close } = await openRuntime({
    rootDir: host.root,
    stateDir: host.state,
    imagesDir: host.imagesDir,
    otherRoots: [host.nodeRoot],
    keptContent: () => keptByCache(host.imagesDir),
    cniConfDir: "",
    cniBinDirs: [],
    network: podNetwork(
      host,
      networks,
      ({ config }) => config.annotations[NETWORK_ANNOTATION] ?? "",
    ),
    lockTimeout_ms: ENGINE_LOCK_TIMEOUT_MS,
    cgroupParent: host.cgroupParent,
    cgroups: host.cgroups,
    ociRuntime: { path: host.crun, kind: "crun" },
    byHand: { command: host.byHand.command, isOffered: host.byHand.isUsed },
    conmon: host.conmon,
    pausePath: host.init,
    registries: host.registries,
    clock: host.clock,
  });
  try {
    // Again: others have changed them meanwhile.
    await networks.load();
    const volumes = new Volumes(path.join(host.root, "volumes"), host.clock);
    const containers = new Containers(runtime);
    const engine: Engine = { host, runtime, containers, networks, volumes };
    await settle(engine);
    const result = await work(engine);
    await host.publish?.(publishedBy(containers));
    return result;
  } catch (error) {
    throw withRemedy(error, host.root);
  } finally {
    // It goes with the last container; nothing else is made in it while this command has the lock.
    cgroupsOf(host.cgroups).removeEmpty(host.cgroupParent);
    await close();
  }
}

/** The ports of containers that have not ended. */
function publishedBy(containers: Containers): PublishedPort[] {
  return containers.all().flatMap(({ record: { phase }, hand }) => {
    return phase.state === "running" || phase.state === "starting" ? hand.ports : [];
  });
}
