import { type ChildProcess, spawn } from "node:child_process";
import { openSync } from "node:fs";
import { join } from "node:path";
import { killed } from "../../testing/killed.ts";
import { bundleOf, cpu_ms, peer, ROOT } from "../apiserver/sides.ts";

/** The sidecars of a driver, of one make. */
export interface Sidecars {
  readonly name: string;
  start(place: { kubeconfig: string; driverSocket: string; dir: string }): RunningSidecars;
}

export interface RunningSidecars {
  cpu_ms(): number;
  close(): Promise<void>;
}

/** Upstream's own rates are a tenth of these, with which ours are started. */
const RATES = ["--kube-api-qps=50", "--kube-api-burst=100"];

/** Ours, and upstream's of their Go modules (`npm run peers -- csi-sidecars`). */
export function sidecars(): readonly [ours: Sidecars, theirs: Sidecars] {
  const {
    apiserver: [program, ...args],
  } = bundleOf(ROOT);
  const [provisioner, attacher] = [peer("csi-provisioner"), peer("csi-attacher")];
  return [
    {
      name: "r2k csi-provisioner, csi-attacher",
      start: (place) =>
        start(
          [
            [program, ...args, "csi-provisioner"],
            [program, ...args, "csi-attacher"],
          ],
          place,
        ),
    },
    {
      name: "external-provisioner, external-attacher",
      start: (place) =>
        start(
          [
            [provisioner, ...RATES],
            [attacher, ...RATES],
          ],
          place,
        ),
    },
  ];
}

function start(
  programs: readonly (readonly string[])[],
  { kubeconfig, driverSocket, dir }: Parameters<Sidecars["start"]>[0],
): RunningSidecars {
  const log = openSync(join(dir, "sidecars.log"), "a");
  const env = { ...process.env, R2K_LOG: "warn" };
  const children = programs.map(([program = "", ...words]) => {
    const flags = [`--kubeconfig=${kubeconfig}`, `--csi-address=${driverSocket}`];
    return spawn(program, [...words, ...flags], { stdio: ["ignore", log, log], env });
  });
  return {
    cpu_ms: () => children.reduce((sum, child) => sum + cpu_ms(child.pid!), 0),
    close: async () => void (await Promise.all(children.map(ended))),
  };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended by itself`);
  await killed(child);
}
