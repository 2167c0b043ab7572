import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { buildPlugins } from "@raft2kube/cni/build.ts";
import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import {
  type Machine,
  type Pod,
  patience,
  run,
  Underlay,
} from "@raft2kube/test/contract/cni/overlay/underlay.ts";
import { flanneld, hasFlanneld } from "../test/contract/cni/overlay/flanneld.ts";
import { ours } from "../test/contract/cni/overlay/ours.ts";
import { PLUGINS, routesOf } from "../test/contract/cni/overlay/suite.ts";
import { median, type Row } from "./benchmark.ts";

const TRAFFIC = join(import.meta.dirname, "overlay/traffic.ts");
const PORT = 7001;
const SECONDS = 3;
const ROUNDS = 11;
const PEER = "flanneld 0.28";

/** A pod that sends, and one on another node that takes. */
type Pair = { from: Pod; to: Pod };

const MEASUREMENTS = [
  { what: "TCP, one stream", unit: "MB/s", words: ["stream", 1], scale: 1e-6, goal: ">= 1.0x" },
  { what: "TCP, eight streams", unit: "MB/s", words: ["stream", 8], scale: 1e-6, goal: ">= 1.0x" },
  { what: "round trip of 64 bytes", unit: "us", words: ["echo"], scale: 1, goal: "<= 1.0x" },
] as const;

/** Traffic between pods of two nodes by VXLAN: of our overlay and of flannel's, in turn. */
export async function overlay(): Promise<Row[]> {
  if (!hasFlanneld) throw new Error("there is no flanneld: npm run peers -- flanneld");
  await buildPlugins(PLUGINS);
  const underlay = await Underlay.create();
  try {
    const [one, two] = [await machines(underlay, ours), await machines(underlay, flanneld)];
    const pairs = [await pair(underlay, one), await pair(underlay, two)] as const;
    const rows: Row[] = [];
    for (const { what, unit, words, scale, goal } of MEASUREMENTS) {
      const values: [number[], number[]] = [[], []];
      for (let round = 0; round < ROUNDS; round++) {
        // Each starts every other round.
        for (const side of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
          values[side].push((await measure(pairs[side], words)) * scale);
        }
      }
      const range = (all: number[]) => [Math.min(...all), Math.max(...all)] as const;
      rows.push({
        what: `pod to pod of another node by VXLAN: ${what}, median of ${ROUNDS}`,
        unit,
        ours: median(values[0]),
        peer: { name: PEER, value: median(values[1]) },
        goal,
        ranges: { ours: range(values[0]), peer: range(values[1]) },
      });
      process.stderr.write(`${what}: ${JSON.stringify(values)}\n`);
    }
    return rows;
  } finally {
    await underlay.close();
    rmSync(PLUGINS, { recursive: true, force: true });
  }
}

async function machines(underlay: Underlay, implementation: typeof ours | typeof flanneld) {
  const all = [await underlay.machine(), await underlay.machine()] as const;
  // Both masquerade, as flannel's manifest has it, so the kernel tracks connections for both.
  const started = implementation({ Type: "vxlan" }, true);
  await Promise.all(all.map((each) => started.start(underlay, each)));
  return all;
}

async function pair(underlay: Underlay, [one, two]: readonly [Machine, Machine]): Promise<Pair> {
  const there = () => routesOf(one).includes(two.podCidr) && routesOf(two).includes(one.podCidr);
  await waitFor("the routes", there, patience);
  const [from, to] = [await underlay.pod(one, PLUGINS), await underlay.pod(two, PLUGINS)];
  await new Promise<void>((resolve, reject) => {
    inNetns(to.netns, () => {
      const words = [TRAFFIC, "serve", String(PORT)];
      const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
      child.on("error", reject);
      child.stdout.once("data", () => resolve());
      underlay.later(() => void child.kill("SIGKILL"));
    });
  });
  return { from, to };
}

async function measure({ from, to }: Pair, [mode, ...numbers]: readonly (string | number)[]) {
  const words = [TRAFFIC, mode, to.address, PORT, ...numbers, SECONDS].map(String);
  const output = await run(from.netns, process.execPath, words);
  return Number(output);
}
