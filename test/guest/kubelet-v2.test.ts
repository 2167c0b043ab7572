import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { bundled } from "../../testing/guest-program.ts";
import { guestsMissing, runGuest, wallLimit_ms } from "./guest.ts";

// Takes turns, what this kernel may lack: see systemd.test.ts.

const TIMEOUT_MS = 300_000;
const missing = guestsMissing() ?? (process.getuid?.() === 0 ? undefined : "needs root");

let output = "";

beforeAll(async () => {
  if (missing !== undefined) return;
  const program = await bundled("guest/kubelet-in-guest");
  const tool = join(import.meta.dirname, "../../.cache/guest/own-namespaces");
  const source = join(import.meta.dirname, "own-namespaces.c");
  execFileSync("gcc", ["-static", "-Os", "-Wall", "-Werror", "-o", tool, source]);
  output = await runGuest({
    script: `${program} ${tool} 2>&1`,
    modules: ["loop"],
    memory_MiB: 1024,
    timeout_ms: TIMEOUT_MS,
  });
}, wallLimit_ms(TIMEOUT_MS));

/** Returns the report of the program in the guest on a subject. */
function found(subject: string): unknown {
  const line = new RegExp(`^FOUND ${subject} (.*)$`, "m").exec(output)?.[1];
  expect(line, output).toBeDefined();
  return JSON.parse(line!);
}

describe.runIf(missing === undefined)("kubelet and runtime on cgroup v2, in a guest", () => {
  it("puts the limits of containers and of their pod into the kernel's files", () => {
    expect(found("limits")).toEqual({
      pod: { memory: String(96 << 20), cpu: "55000 100000", pids: "4096" },
      main: { memory: String(64 << 20), cpu: "50000 100000", pids: "max" },
      busy: { memory: String(32 << 20), cpu: "5000 100000", pids: "max" },
      throttled: true,
    });
  });

  it("measures containers and pods", () => {
    const statistics = Object.entries(found("statistics") as Record<string, number>);
    expect(statistics).toHaveLength(4);
    for (const [name, value] of statistics) expect(value, name).toBeGreaterThan(0);
  });

  it("says OOMKilled, restarts, and backs off", () => {
    const last = { exitCode: 137, reason: "OOMKilled" };
    expect(found("greedy")).toEqual({ restartCount: 1, phase: "Running", last });
  });

  it("restarts what fails its liveness probe", () => {
    expect(found("listless")).toEqual({ restartCount: 1 });
  });

  it("leaves containers alone when kubelet and runtime are started again", () => {
    const { before, after } = found("restart") as { before: object[]; after: object[] };
    expect(before).toHaveLength(2);
    expect(after).toEqual(before);
  });

  it("lets no pod change its cgroup or reach the machine's devices", () => {
    const attacks = found("attacks") as Record<string, string[]>;
    expect(attacks["confined"]).toEqual(["a device that all have"]);
    expect(attacks["confined: unshare"]).toEqual(["125"]);
    expect(attacks["confined in a user namespace"]).toEqual([]);
    // They succeed where nothing is promised.
    expect(attacks["almighty"]).toEqual(
      expect.arrayContaining([
        "mount: cgroup.procs",
        "second mount: cgroup.subtree_control",
        "mount made writable",
        "a disk of the machine",
        "the log of the kernel",
        "the exit status of User-Mode Linux",
      ]),
    );
  });

  it("keeps a pod's limits from one without a seccomp profile, which may divide its cgroup", () => {
    const attacks = found("attacks") as Record<string, string[]>;
    expect(attacks["unfiltered"]).toEqual(["a device that all have"]);
    expect(attacks["unfiltered in a user namespace"]).toEqual([
      "second mount: cgroup.procs",
      "second mount: cgroup.threads",
      "second mount: cgroup.subtree_control",
      "second mount: memory.oom.group",
    ]);
    const limits = { memory: String(32 << 20), cpu: "max 100000", pids: "4096" };
    expect(found("attacked")).toMatchObject({ confined: limits, unfiltered: limits });
  });

  it("leaves no pod's cgroup behind", () => {
    expect(found("end")).toEqual({ podCgroups: [] });
  });
});

/** Returns the capabilities of this guest's kernel. */
function kernel(): { controllers: string[]; nftables: boolean } {
  if (missing !== undefined) return { controllers: [], nftables: false };
  return found("kernel") as ReturnType<typeof kernel>;
}

// Left out by name while the guest's kernel cannot; due when one can.
it("host ports and Services in a guest", ({ skip }) => {
  skip(!kernel().nftables, "no nftables for IP");
  expect.unreachable("the guest's kernel has nftables now: this is to be tested");
});

it("cpuset limits on cgroup v2, in a guest", ({ skip }) => {
  skip(!kernel().controllers.includes("cpuset"), "no cpuset controller");
  expect.unreachable("the guest's kernel has cpuset now: this is to be tested");
});
