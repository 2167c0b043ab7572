import { mkdirSync } from "node:fs";
import { ContainerState } from "@raft2kube/proto/gen/cri.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { ours } from "./ours.ts";
import { Pods } from "./pods.ts";
import type { RuntimeHost } from "./runtime-host.ts";

/** Run inside a guest: what the runtime does with cgroup v2, printed as one line of JSON. */
const clock = systemClock();
const dir = "/run/r2k";
for (const name of ["logs", "net.d"]) mkdirSync(`${dir}/${name}`, { recursive: true });
const host: RuntimeHost = {
  dir,
  cniConfDir: `${dir}/net.d`,
  cgroupParent: "/r2k",
  logDirectory: `${dir}/logs`,
  close: async () => undefined,
};
const served = await ours("crun").start(host);
const pods = new Pods(served, host);
const { runtime } = served;

const pod = await pods.run({ hostNetwork: true });
const busy = await pods.start(pod, {
  command: ["sh", "-c", "while :; do :; done"],
  config: {
    linux: {
      resources: {
        memoryLimitInBytes: 64 << 20, cpuShares: 512, cpuQuota: 50_000, cpuPeriod: 100_000,
      },
    },
  },
});
const read = (name: string) => pods.shell(busy, `cat /sys/fs/cgroup/${name}`);
const limits = [await read("memory.max"), await read("cpu.max"), await read("cpu.weight")];
await runtime.updateContainerResources({
  containerId: busy,
  linux: { memoryLimitInBytes: 128 << 20 },
});
const updated = await read("memory.max");
const counted = async () => {
  const { stats } = await runtime.containerStats({ containerId: busy });
  return (stats?.cpu?.usageCoreNanoSeconds?.value ?? 0) > 0 && stats;
};
const stats = await waitFor("statistics", counted, { clock });
const greedy = await pods.start(pod, {
  command: ["tail", "/dev/zero"],
  config: {
    metadata: { name: "greedy", attempt: 0 },
    linux: { resources: { memoryLimitInBytes: 16 << 20 } },
  },
});
const { exitCode, reason, state } = await pods.exited(greedy);
await pods.removeAll();
const left = (await runtime.listContainers({})).containers.length;
const result = {
  limits, updated, left, exitCode, reason,
  ended: state === ContainerState.CONTAINER_EXITED,
  workingSet: stats.memory?.workingSetBytes?.value ?? 0,
};
process.stdout.write(`RESULT ${JSON.stringify(result)}\n`);
await served.close();
