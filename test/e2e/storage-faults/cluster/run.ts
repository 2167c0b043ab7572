import { systemClock } from "@raft2kube/std/clock.ts";
import { pick, randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { TestCluster } from "../../cluster.ts";
import { DRIVER_NAME } from "../attaching-driver.ts";
import { CLASS_NAME } from "../objects.ts";
import { leftOf } from "./leftovers.ts";
import { OTHER_NODE, startTargets, type Target } from "./targets.ts";
import { comeAndGo, tracksOf } from "./work.ts";

const clock = systemClock();
const NAME = "faults";

const OBJECTS = `
apiVersion: storage.k8s.io/v1
kind: CSIDriver
metadata: { name: ${DRIVER_NAME} }
spec: { attachRequired: true, fsGroupPolicy: None }
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: { name: ${CLASS_NAME} }
provisioner: ${DRIVER_NAME}
volumeBindingMode: Immediate
`;

export interface ClusterOutcome {
  /** Claims that came and went. */
  readonly claims: number;
  /** SIGKILLs by process. */
  readonly kills: ReadonlyMap<string, number>;
  /** Processes that ended by themselves, with the last of their output. */
  readonly ended: readonly string[];
  /** Claims whose data was not found, or that did not come and go. */
  readonly lost: readonly string[];
  /** Mounts, loop devices, directories and objects that were left. */
  readonly left: readonly string[];
}

/**
 * Claims come and go on both nodes of a cluster while its processes get SIGKILL, up to three
 * together, and are started again. The seed decides which and when; how far the others are then is
 * not repeated.
 */
export async function clusterFaults({
  rounds,
  seed,
  say,
}: {
  rounds: number;
  seed: number;
  say(line: string): void;
}): Promise<ClusterOutcome> {
  const cluster = await TestCluster.start(NAME, ["--no-demo"]);
  const kills = new Map<string, number>();
  const ended: string[] = [];
  try {
    const targets = await startTargets(cluster);
    await cluster.until("the apiserver", ["get", "--raw", "/readyz"], (text) => text === "ok");
    await cluster.apply(OBJECTS);
    const driver = ["get", "csinodes", "-o", "jsonpath={.items[*].spec.drivers[*].name}"];
    await cluster.until("the driver", driver, (text) => text.includes(DRIVER_NAME));
    const names = await cluster.ask("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}");
    const first = names.split(" ").find((name) => name !== OTHER_NODE) ?? "";
    const tracks = tracksOf(first, OTHER_NODE);
    const lost: string[] = [];
    let working = true;
    const work = Promise.all(
      tracks.map(async (track, n) => {
        for (let round = 0; round < rounds; round++) {
          try {
            lost.push(...(await comeAndGo(cluster, track, `l${n}-${round}`)));
          } catch (thrown) {
            lost.push(String(thrown));
          }
          say(`track ${n}: round ${round}`);
        }
      }),
    ).finally(() => {
      working = false;
    });
    await killWhile(() => working, targets, { seed, kills, ended });
    await work;
    const claims = rounds * tracks.reduce((sum, { classes }) => sum + classes.length, 0);
    return { claims, kills, ended, lost, left: await leftOf(cluster) };
  } finally {
    await cluster.close();
  }
}

async function killWhile(
  working: () => boolean,
  targets: readonly Target[],
  { seed, kills, ended }: { seed: number; kills: Map<string, number>; ended: string[] },
): Promise<void> {
  const random = seededRandom(seed);
  while (working()) {
    const count = pick(random, [1, 1, 2, 3]);
    const chosen = new Set(Array.from({ length: count }, () => pick(random, targets)));
    await Promise.all(
      [...chosen].map(async (target) => {
        const itself = await target.kill();
        if (itself !== undefined) ended.push(itself);
        kills.set(target.name, (kills.get(target.name) ?? 0) + 1);
      }),
    );
    await delay(clock, randomInteger(random, 0, 800));
    for (const target of chosen) target.start();
    await delay(clock, randomInteger(random, 500, 4_000));
  }
}
