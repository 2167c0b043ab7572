import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { installedLibfaketime } from "../clock/libfaketime.ts";
import type { TestCluster } from "./cluster.ts";
import type { Outcome, OwnHost } from "./own-host.ts";

const VARIABLES = "FAKETIME_DONT_FAKE_MONOTONIC=1 NO_FAKE_STAT=1";

/** Gives a host shared memory of its own: libfaketime leaves marks there of killed processes. */
export async function ownMarks(host: OwnHost): Promise<void> {
  const { code, stderr } = await host.run("mount", ["-t", "tmpfs", "r2k-clock", "/dev/shm"]);
  if (code !== 0) throw new Error(`mount: ${stderr}`);
}

/** Nodes of a cluster with wall clocks of their own. */
export class NodeClocks {
  readonly #of: () => TestCluster;
  readonly #ahead_s = new Map<string, number>();

  constructor(of: () => TestCluster) {
    this.#of = of;
  }

  /** How far a node's clock is ahead of the machine's. */
  ahead_s(node: string): number {
    return this.#ahead_s.get(node) ?? 0;
  }

  /**
   * Runs `r2k node`; the process of the node that it starts, and what that starts, have a clock
   * that is `ahead_s` ahead. The program that enters the node's network gives it to them.
   */
  async node(ahead_s: number, verb: "add" | "start", node: string): Promise<Outcome> {
    const preloaded = `LD_PRELOAD=${installedLibfaketime()} ${VARIABLES}`;
    this.#ahead_s.set(node, ahead_s);
    const { host, name } = this.#of();
    const dir = join(host.dir, "clock");
    mkdirSync(dir, { recursive: true });
    const script = `#!/bin/sh\nPATH=\${PATH#*:} ${preloaded} exec nsenter "$@"\n`;
    writeFileSync(join(dir, "nsenter"), script, { mode: 0o755 });
    const offset = `${ahead_s < 0 ? "" : "+"}${ahead_s}`;
    const moved = [`PATH=${dir}:${process.env["PATH"]}`, `FAKETIME=${offset}`];
    return host.run("env", [...moved, ...host.program, "node", verb, node, "--name", name]);
  }

  /** Waits until a node renews its Lease by its clock, to the minute. */
  async renewed(node: string): Promise<void> {
    const path = "jsonpath={.spec.renewTime}";
    const lease = ["get", "lease", "-n", "kube-node-lease", node, "-o", path];
    await this.#of().until(`the clock of ${node}`, lease, (time) => {
      return Math.round((Date.parse(time) - Date.now()) / 60_000) === this.ahead_s(node) / 60;
    });
  }
}
