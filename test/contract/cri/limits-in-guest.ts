import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { openCgroups } from "@raft2kube/linux/cgroup/open-cgroups.ts";
import { ContainerState } from "@raft2kube/proto/gen/cri.ts";
import { limitDevicesBeside } from "@raft2kube/runtime/by-hand/cgroup.ts";
import { capabilitySets, ownCapabilities } from "@raft2kube/runtime/oci/capabilities.ts";
import { devicesFor } from "@raft2kube/runtime/oci/devices.ts";
import type { OciSpec } from "@raft2kube/runtime/oci/spec.ts";
import { waitFor } from "../../../testing/wait.ts";
import { ours } from "./ours.ts";
import { Pods } from "./pods.ts";
import type { RuntimeHost } from "./runtime-host.ts";

/** Run inside a guest: what the runtime does with cgroup v2, printed as one line of JSON. */
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
        memoryLimitInBytes: 64 << 20,
        cpuShares: 512,
        cpuQuota: 50_000,
        cpuPeriod: 100_000,
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
const stats = await waitFor("statistics", counted);
const { podMetrics } = await runtime.listPodSandboxMetrics({});
const metrics = podMetrics
  .flatMap((of) => of.containerMetrics.flatMap((one) => one.metrics))
  .filter(({ name }) => /_(user_|cfs_periods|cache$|oom_|threads$)/.test(name))
  .map(({ name }) => name);
const greedy = await pods.start(pod, {
  command: ["tail", "/dev/zero"],
  config: {
    metadata: { name: "greedy", attempt: 0 },
    linux: { resources: { memoryLimitInBytes: 16 << 20 } },
  },
});
const { exitCode, reason, state } = await pods.exited(greedy);

/** Prints which nodes can be opened: the console's, and one that all containers have. */
const opensOf = (console: string, harmless: string) =>
  [console, harmless].map((node) => `(: > ${node}) && echo ${node}; true`).join("; ");

/** The same, of nodes that a container makes. */
const MADE = "mkdir -p /tmp; mknod /tmp/c c 5 1; mknod /tmp/n c 1 3";
const OPENS = `${MADE}; ${opensOf("/tmp/c", "/tmp/n")}`;

/** Opens the nodes in a step of a build, to whose group crun adds devices. */
function openedByStep(group: string): string {
  openCgroups().create(group);
  const { rules } = devicesFor([], { privileged: false });
  const { cgroupsPath, createRuntime } = limitDevicesBeside(group, rules);
  const bundle = `${dir}/bundle`;
  const root = `${bundle}/root`;
  mkdirSync(root, { recursive: true });
  execFileSync("mount", ["--bind", "/", root]);
  execFileSync("crun", ["spec"], { cwd: bundle });
  const spec = JSON.parse(readFileSync(`${bundle}/config.json`, "utf8")) as OciSpec;
  const own = ownCapabilities();
  const capabilities = capabilitySets({}, { privileged: true, root: true, own });
  Object.assign(spec.process, { terminal: false, args: ["sh", "-ec", OPENS], capabilities });
  spec.root = { path: root, readonly: true };
  spec.mounts.push({ destination: "/tmp", type: "tmpfs", source: "tmpfs", options: [] });
  spec.linux = { ...spec.linux, cgroupsPath, resources: { devices: rules } };
  spec.hooks = { createRuntime };
  writeFileSync(`${bundle}/config.json`, JSON.stringify(spec));
  return execFileSync("crun", ["run", "--bundle", bundle, "step"], { encoding: "utf8" }).trim();
}

/** Opens the guest's own nodes in the group of the pod's first process. */
function openedAsFirst(): string {
  const group = "read -r group < /proc/$(pgrep -x pause)/cgroup";
  const join = "echo $$ > /sys/fs/cgroup${group#0::}/cgroup.procs";
  const opens = opensOf("/dev/console", "/dev/null");
  return execFileSync("sh", ["-ec", `${group}; ${join}; ${opens}`], { encoding: "utf8" }).trim();
}

const container = await pods.shell(busy, OPENS);
const opened = { container, step: openedByStep("/r2k/step"), first: openedAsFirst() };
await pods.removeAll();
const left = (await runtime.listContainers({})).containers.length;
const result = {
  limits,
  metrics,
  updated,
  left,
  exitCode,
  reason,
  opened,
  ended: state === ContainerState.CONTAINER_EXITED,
  workingSet: stats.memory?.workingSetBytes?.value ?? 0,
  psi: [stats.cpu, stats.memory, stats.io].map((usage) => usage?.psi),
};
process.stdout.write(`RESULT ${JSON.stringify(result)}\n`);
await served.close();
