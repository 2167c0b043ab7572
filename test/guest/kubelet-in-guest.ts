import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ContainerStatus, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { openCgroups } from "@raft2kube/linux/cgroup/open-cgroups.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "../../testing/wait.ts";
import { ours } from "../contract/cri/ours.ts";
import { Node, statusOf } from "../contract/kubelet/fixture.ts";
import { SLEEP, sh, spec } from "../contract/kubelet/specs.ts";
import { ATTACKERS, attack } from "./cgroup-attacks.ts";
import { GUEST_WAIT_MS } from "./guest-wait.ts";

// Run inside a guest: what kubelet and runtime do together on cgroup v2, one line per subject:
// `FOUND name {...}`. System calls are slow there: pods start side by side, and those that start
// programs again and again go as soon as they were seen. Its argument is a program of
// own-namespaces.c, which needs no library, as the pods have none.

const CGROUP_ROOT = "/r2k";
const MOUNT = "/sys/fs/cgroup";

/** Serves HTTP beside a container that takes all the CPU it is given. */
const PAIR = spec([
  sh("main", "mkdir /tmp/www; echo hello > /tmp/www/index.html; exec httpd -f -p 80 -h /tmp/www", {
    resources: { limits: { memory: "64Mi", cpu: "500m" } },
    readinessProbe: { httpGet: { path: "/", port: 80 }, periodSeconds: 1 },
  }),
  sh("busy", "while :; do :; done", { resources: { limits: { memory: "32Mi", cpu: "50m" } } }),
]);
/** A container whose limit is the pod's own. */
const GREEDY = spec([sh("main", "tail /dev/zero")], { resources: { limits: { memory: "16Mi" } } });
/** Fails its liveness probe as soon as it runs, the first time. */
const LISTLESS = spec(
  [
    sh("main", `test -f /data/second && touch /tmp/alive; touch /data/second; ${SLEEP}`, {
      livenessProbe: {
        exec: { command: ["test", "-f", "/tmp/alive"] },
        periodSeconds: 1,
        failureThreshold: 1,
      },
      volumeMounts: [{ name: "data", mountPath: "/data" }],
    }),
  ],
  { volumes: [{ name: "data", emptyDir: {} }] },
);

const node = await Node.start(ours("crun"), async () => ({ cgroupRoot: CGROUP_ROOT }));

function report(name: string, facts: object): void {
  process.stdout.write(`FOUND ${name} ${JSON.stringify(facts)}\n`);
}

function cgroupOf(pod: Pod, container = ""): string {
  const quality = pod.status?.qosClass?.toLowerCase() ?? "";
  return join(MOUNT, CGROUP_ROOT, quality, `pod${pod.metadata.uid}`, idOf(pod, container));
}

function idOf(pod: Pod, container: string): string {
  return statusOf(pod, container)?.containerID?.split("://")[1] ?? "";
}

/** Reads the limits of a cgroup from the kernel. */
function limits(dir: string) {
  const read = (file: string) => readFileSync(join(dir, file), "utf8").trim();
  return { memory: read("memory.max"), cpu: read("cpu.max"), pids: read("pids.max") };
}

/** Whether the kernel knows the tables that host ports and Services are made of. */
function hasNftables(): boolean {
  try {
    execFileSync("nft", ["add", "table", "ip", "r2kprobe"], { stdio: "ignore" });
    return true;
  } catch (thrown) {
    if (thrown instanceof Error && "status" in thrown) return false;
    throw thrown;
  }
}

async function reportLimits(pair: Pod): Promise<void> {
  const throttled = () => {
    const stat = readFileSync(join(cgroupOf(pair, "busy"), "cpu.stat"), "utf8");
    return Number(/^nr_throttled (\d+)$/m.exec(stat)?.[1]) > 0;
  };
  const clock = systemClock();
  const timeout_ms = GUEST_WAIT_MS;
  await waitFor("the busy container to be held back", throttled, { clock, timeout_ms });
  report("limits", {
    pod: limits(cgroupOf(pair)),
    main: limits(cgroupOf(pair, "main")),
    busy: limits(cgroupOf(pair, "busy")),
    throttled: throttled(),
  });
}

async function reportStatistics(pair: Pod): Promise<void> {
  const { runtime } = node.served;
  const { stats } = await runtime.containerStats({ containerId: idOf(pair, "busy") });
  const usage = openCgroups().usage(`${CGROUP_ROOT}/guaranteed/pod${pair.metadata.uid}`);
  report("statistics", {
    containerCpu_ns: stats?.cpu?.usageCoreNanoSeconds?.value,
    containerWorkingSet_bytes: stats?.memory?.workingSetBytes?.value,
    podCpu_ns: usage?.cpu_ns,
    podMemory_bytes: usage?.memory.usage_bytes,
  });
}

const containers = (pod: Pod) => {
  return ["main", "busy"].map((name) => {
    const { containerID, restartCount } = statusOf(pod, name) as ContainerStatus;
    return { containerID, restartCount };
  });
};

report("kernel", { controllers: openCgroups().controllers, nftables: hasNftables() });
node.put("pair", PAIR);
const pair = await node.untilReady("pair");
await reportLimits(pair);
await reportStatistics(pair);

node.put("greedy", GREEDY);
const greedy = await node.until("back off", "greedy", (pod) => {
  return statusOf(pod, "main")?.state?.waiting?.reason === "CrashLoopBackOff";
});
const { restartCount, lastState } = statusOf(greedy, "main") as ContainerStatus;
const { exitCode, reason } = lastState?.terminated ?? {};
report("greedy", { restartCount, phase: greedy.status?.phase, last: { exitCode, reason } });
await node.take("greedy");

node.put("listless", LISTLESS);
const again = await node.until("run again", "listless", (pod) => {
  const { restartCount = 0, state } = statusOf(pod, "main") ?? {};
  return restartCount > 0 && state?.running !== undefined;
});
report("listless", { restartCount: statusOf(again, "main")?.restartCount });
await node.take("listless");

await node.stopKubelet();
await node.served.restart();
await node.startKubelet();
report("restart", { before: containers(pair), after: containers(await node.untilReady("pair")) });

await node.take("pair");
for (const [name, attacker] of Object.entries(ATTACKERS)) node.put(name, attacker);
report("attacks", await attack(node, process.argv[2]!, (pod) => cgroupOf(pod, "main")));
report(
  "attacked",
  Object.fromEntries(
    Object.keys(ATTACKERS).map((name) => [name, limits(cgroupOf(node.pod(name)!))]),
  ),
);

for (const name of Object.keys(ATTACKERS)) await node.take(name);
const below = readdirSync(join(MOUNT, CGROUP_ROOT), { recursive: true }).map(String);
report("end", { podCgroups: below.filter((path) => /^[a-z]+\/pod[^/]*$/.test(path)) });
await node.close();
