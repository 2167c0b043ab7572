import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { createRuntimeHost, type RuntimeHost } from "@raft2kube/test/contract/cri/runtime-host.ts";
import { containerd } from "../test/contract/cri/containerd.ts";
import type { Implementation, Served } from "../test/contract/cri/implementation.ts";
import { ours } from "../test/contract/cri/ours.ts";
import { median, type Row } from "./benchmark.ts";

const PODS = 30;
const IMAGE = "r2k.local/busybox:1";

/** The calls of one pod's life, in milliseconds. */
interface Times {
  sandbox: number;
  create: number;
  start: number;
  exec: number;
  /** Create, start, stop and remove of one container. */
  cycle: number;
}

/**
 * CRI calls of 30 pods one after the other: ours and containerd in turn, the same plugins for both.
 */
export async function pod(): Promise<Row[]> {
  const own = await measure("r2k runtime", ours("crun"));
  const peer = await measure("containerd", containerd);
  const row = (what: string, part: keyof Times, goal: string): Row => ({
    what,
    unit: "ms",
    ours: median(own.map((times) => times[part])),
    peer: { name: "containerd 1.6 with runc", value: median(peer.map((times) => times[part])) },
    goal,
  });
  return [
    row("RunPodSandbox, network included, median of 30", "sandbox", "<= 1.0x"),
    row("CreateContainer", "create", "print"),
    row("StartContainer", "start", "print"),
    row("ExecSync of true", "exec", "print"),
    row("create, start, stop, remove", "cycle", "<= 0.7x"),
  ];
}

async function measure(name: string, implementation: Implementation): Promise<Times[]> {
  process.stderr.write(`${name}: ${PODS} pods\n`);
  const host = createRuntimeHost();
  const served = await implementation.start(host);
  try {
    const times: Times[] = [];
    for (let i = 0; i < PODS; i++) times.push(await life(served, host));
    return times;
  } finally {
    await served.close();
    await host.close();
  }
}

async function life({ runtime }: Served, host: RuntimeHost): Promise<Times> {
  const uid = randomUUID();
  const config = {
    metadata: { name: "bench", namespace: "bench", uid, attempt: 0 },
    logDirectory: join(host.logDirectory, uid),
    linux: { cgroupParent: `${host.cgroupParent}/${uid}` },
  };
  const container = {
    metadata: { name: "main", attempt: 0 },
    image: { image: IMAGE },
    command: ["sleep", "1000"],
    logPath: "main.log",
  };
  const [sandbox, { podSandboxId }] = await timed(() => runtime.runPodSandbox({ config }));
  const [create, { containerId }] = await timed(() =>
    runtime.createContainer({ podSandboxId, config: container, sandboxConfig: config }),
  );
  const [start] = await timed(() => runtime.startContainer({ containerId }));
  const [exec] = await timed(() => runtime.execSync({ containerId, cmd: ["true"], timeout: 10 }));
  const [end] = await timed(async () => {
    await runtime.stopContainer({ containerId, timeout: 0 });
    await runtime.removeContainer({ containerId });
  });
  await runtime.stopPodSandbox({ podSandboxId });
  await runtime.removePodSandbox({ podSandboxId });
  return { sandbox, create, start, exec, cycle: create + start + end };
}

async function timed<T>(work: () => Promise<T>): Promise<[ms: number, result: T]> {
  const start_ms = performance.now();
  const result = await work();
  return [performance.now() - start_ms, result];
}
