import { readdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { openCgroups } from "@raft2kube/linux/cgroup/open-cgroups.ts";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { processTable } from "../../cli/observe/process-table.ts";
import { nodeCgroup } from "../../cli/spec/paths.ts";
import { waitFor } from "../../testing/wait.ts";
import { ASK_MS, type ClusterProcess, killAll, TestCluster } from "./cluster.ts";
import { differences, type HostSnapshot } from "./host-snapshot.ts";
import { watchService } from "./load.ts";
import { OwnHost } from "./own-host.ts";

// Takes turns, faults: see chaos/chaos.test.ts.

const NAME = "restart";
const patience = { clock: machineClock(), timeout_ms: 60_000, interval_ms: ASK_MS };
/** Memory bound of supervision, all processes together. */
const PSS_KIB_MAX = 5 * 1024;

let cluster: TestCluster;
let hostBefore: HostSnapshot;
let url: string;

beforeAll(async () => {
  const host = await OwnHost.create();
  hostBefore = await host.snapshot(NAME);
  cluster = await TestCluster.startIn(host, NAME);
  const ip = "jsonpath={.spec.clusterIP}";
  url = `http://${await cluster.ask("get", "service", "web", "-o", ip)}/`;
  await ready(2);
  await cluster.ask("create", "configmap", "before", "--from-literal=a=1");
  await cluster.ask("rollout", "status", "deployment/data", "--timeout=60s");
  await cluster.ask("exec", "deployment/data", "--", "sh", "-c", "echo kept > /data/kept");
});

afterAll(() => cluster?.close());

function cgroup(): string {
  return nodeCgroup({ name: NAME, runDir: join(cluster.host.dir, "run", NAME) });
}

const podsOfDemo = (path: string) => [
  "get",
  "pods",
  "-l",
  "app=web",
  "-o",
  `jsonpath={range .items[*]}${path}{'\\n'}{end}`,
];

const CONTAINER_ID = "{.status.containerStatuses[0].containerID}";

/** Waits until so many pods of the demo are there, all ready, and none is ending. */
async function ready(count: number): Promise<void> {
  const path = "{.status.containerStatuses[0].ready}{.metadata.deletionTimestamp}";
  const lines = Array.from({ length: count }, () => "true").join("\n");
  await cluster.until(`${count} ready pods`, podsOfDemo(path), (text) => text === lines);
}

function containers(): Promise<string> {
  const status = ".status.containerStatuses[0]";
  const path = `{.metadata.uid} {${status}.containerID} {${status}.restartCount}`;
  return cluster.ask(...podsOfDemo(path));
}

/** Addresses that host-local has given out: a file for each. */
function addressesHeld(): string[] {
  const dir = join(cluster.host.dir, "run", NAME, "cni/networks/r2k");
  return readdirSync(dir)
    .filter((name) => /^\d+\.\d+\.\d+\.\d+$/.test(name))
    .sort();
}

/** Every address given out is a pod's, and every pod has one. */
async function noAddressLeaked(): Promise<void> {
  const get = ["get", "pods", "-A", "-o", "jsonpath={range .items[*]}{.status.podIP}{'\\n'}{end}"];
  const apart = async () => {
    const [reported, held] = [(await cluster.ask(...get)).split("\n"), addressesHeld()];
    return [
      ...reported.filter((one) => !held.includes(one)),
      ...held.filter((one) => !reported.includes(one)),
    ];
  };
  await expect.poll(apart, { interval: ASK_MS }).toEqual([]);
}

/**
 * Waits, after containers died, until `count` of them are new and ready, and the Service leads to
 * them. The status of before says "ready" until the kubelet has looked, hence the new containers;
 * and ready is written first in the pod, then in the slice, then in the rules: upstream too
 * promises an answer soon after, not immediately. Where containers survive, the Service answers
 * throughout.
 */
async function renewed(before: string, count: number): Promise<void> {
  const old = new Set(before.split("\n"));
  await cluster.until("new containers", podsOfDemo(CONTAINER_ID), (text) => {
    const ids = text.split("\n");
    return ids.length === count && ids.every((id) => id !== "" && !old.has(id));
  });
  await ready(count);
  await waitFor("an answer", () => cluster.curl(url), { clock: machineClock() });
}

async function everythingIsThere(): Promise<void> {
  expect(await cluster.ask("get", "configmap", "before", "-o", "jsonpath={.data.a}")).toBe("1");
  const data = ["exec", "deployment/data", "--", "cat", "/data/kept"];
  await cluster.until("the claim's data", data, (text) => text === "kept");
  expect(await cluster.curl(url)).toMatch(/hello from raft2kube/);
  await noAddressLeaked();
}

/** A pod that writes something when it is asked to end, and takes a moment for it. */
const lastWords = (folder: string) => `
apiVersion: v1
kind: Pod
metadata: { name: talker }
spec:
  containers:
    - name: talker
      image: r2k.local/busybox:1
      command: [sh, -c]
      args: ["trap 'sleep 1; echo goodbye > /said/last-words; exit' TERM; sleep 1000 & wait"]
      volumeMounts: [{ name: said, mountPath: /said }]
  volumes:
    - { name: said, hostPath: { path: ${folder}, type: DirectoryOrCreate } }
`;

/** Every process that belongs to the cluster: its two, the monitors, and all in its containers. */
function killEverything(): void {
  const mark = `${cluster.host.dir}/`;
  const named = processTable().filter((entry) => entry.command.includes(mark));
  const contained = openCgroups().pids(cgroup());
  expect(contained.length).toBeGreaterThan(2);
  for (const pid of [...named.map((entry) => entry.pid), ...contained]) {
    try {
      process.kill(pid, "SIGKILL");
    } catch (thrown) {
      if (!isErrno(thrown, "ESRCH")) throw thrown;
    }
  }
}

describe("a cluster that is killed and started again", () => {
  it("kill -9 of both processes: pods never notice, Services answer throughout", async () => {
    const before = await containers();
    const load = watchService(cluster.host, url);
    await cluster.kill();
    const dead = load.count();
    await expect.poll(load.count).toBeGreaterThan(dead + 100);
    await cluster.up(["--no-demo"]);
    await ready(2);
    expect(await containers()).toBe(before);
    await everythingIsThere();
    expect((await load.stop()).failures).toEqual([]);
  });

  it("kill -9 while pods are being made and ended: none is lost, no address leaks", async () => {
    await cluster.ask("scale", "deployment", "web", "--replicas=6");
    const sandboxes = ["get", "pods", "-l", "app=web", "-o", "name"];
    await cluster.until("pods", sandboxes, (text) => text.split("\n").length === 6);
    await cluster.kill();
    await cluster.up(["--no-demo"]);
    await ready(6);
    await everythingIsThere();
    await cluster.ask("scale", "deployment", "web", "--replicas=2");
    await cluster.kill();
    await cluster.up(["--no-demo"]);
    await ready(2);
    await everythingIsThere();
  });

  it("kill -9 of every process, containers too: pods are restarted, objects there", async () => {
    const before = await cluster.ask(...podsOfDemo("{.metadata.name}"));
    const containersBefore = await cluster.ask(...podsOfDemo(CONTAINER_ID));
    killEverything();
    await cluster.up(["--no-demo"]);
    await renewed(containersBefore, 2);
    const restarts = podsOfDemo("{.status.containerStatuses[0].restartCount}");
    expect(await cluster.ask(...restarts)).toBe("1\n1");
    expect(await cluster.ask(...podsOfDemo("{.metadata.name}"))).toBe(before);
    await everythingIsThere();
  });

  it("another port is refused while it runs", async () => {
    const moved = ["start", "--name", NAME, "--api-port", "7443"];
    const { code, stderr } = await cluster.host.r2k(moved);
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringMatching(/r2k down/) });
    await everythingIsThere();
  });

  it("down, then start on another port: objects as they were, the claim's data", async () => {
    await cluster.ask("scale", "deployment", "web", "--replicas=3");
    await ready(3);
    const said = join(cluster.host.dir, "said");
    await cluster.apply(lastWords(said));
    await cluster.ask("wait", "pod/talker", "--for=condition=Ready", "--timeout=90s");
    const containersBefore = await cluster.ask(...podsOfDemo(CONTAINER_ID));
    const down = await cluster.down([]);
    expect(down.code, down.stderr).toBe(0);
    expect(openCgroups().exists(cgroup())).toBe(false);
    expect(readFileSync(join(said, "last-words"), "utf8")).toBe("goodbye\n");
    await cluster.up(["--api-port", "7443"]);
    expect(await cluster.ask("cluster-info")).toMatch(/127\.0\.0\.1:7443/);
    await renewed(containersBefore, 3);
    await everythingIsThere();
  });
});

async function processOf(name: string): Promise<ClusterProcess> {
  return (await cluster.processes()).find((each) => each.name === name)!;
}

/** Waits until a process runs under another id, with a supervisor. */
async function restarted(before: ClusterProcess): Promise<ClusterProcess> {
  return await waitFor(
    `another ${before.name} process`,
    async () => {
      const now = await processOf(before.name);
      return now.pid !== null && now.supervisor !== null && now.pid !== before.pid && now;
    },
    patience,
  );
}

const status = () => cluster.host.r2k(["status", "--name", NAME]);

describe("a cluster whose processes end", () => {
  it.each(["control", "node"])("goes on when %s is killed: nothing else notices", async (name) => {
    const ids = await cluster.ask(...podsOfDemo(CONTAINER_ID));
    const load = watchService(cluster.host, url);
    const before = await processOf(name);
    process.kill(before.pid!, "SIGKILL");
    const after = await restarted(before);
    expect(after.restarts?.count).toBe(1);
    const well = async () => {
      const { code, stdout } = await status();
      return code === 0 && stdout;
    };
    const said = await waitFor("the cluster to be well", well, patience);
    expect(said).toMatch(new RegExp(`${name} +pid .*, ended, once, last at`));
    expect(await cluster.ask(...podsOfDemo(CONTAINER_ID))).toBe(ids);
    await cluster.ask(
      "run",
      `after-${name}`,
      "--image=r2k.local/busybox:1",
      "--command",
      "--",
      "sleep",
      "1000",
    );
    const ready = ["wait", "--for=condition=Ready", `pod/after-${name}`, "--timeout=60s"];
    expect(await cluster.ask(...ready)).toContain("condition met");
    expect((await load.stop()).failures).toEqual([]);
    const events = [
      "get",
      "events",
      "--field-selector",
      "reason=ProcessRestarted",
      "-o",
      "jsonpath={range .items[*]}{.involvedObject.kind} {.message}{'\\n'}{end}",
    ];
    await cluster.until("the event", events, (text) =>
      text.includes(`Node The ${name} process ended, once, and runs again`),
    );
  });

  it("puts a node's rules back that another program deletes, and logs it", async () => {
    const netns = `--net=${join(cluster.host.dir, "run", NAME, "netns/node")}`;
    const nft = (...args: string[]) => cluster.host.run("nsenter", [netns, "nft", ...args]);
    const file = join(cluster.host.dir, "data", NAME, "logs/node.log");
    const line = "another program changed the node's rules or kernel settings; put back";
    const isLogged = () => readFileSync(file, "utf8").includes(line);
    expect(isLogged()).toBe(false);
    expect(await nft("delete", "table", "ip", "r2k-node")).toMatchObject({ code: 0 });
    await waitFor("the log", isLogged, patience);
    const logs = await cluster.host.r2k(["logs", "node", "--name", NAME]);
    expect(logs.stdout).toContain(line);
    const { stdout } = await nft("list", "table", "ip", "r2k-node");
    expect(stdout.match(/reject/g)).toHaveLength(4);
  });

  it("costs a few hundred KiB", async () => {
    const supervisors = (await cluster.processes()).map(({ supervisor }) => supervisor!);
    const pss_kib = supervisors.map((pid) => {
      const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
      return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)![1]);
    });
    expect(pss_kib[0]! + pss_kib[1]!).toBeLessThan(PSS_KIB_MAX);
  });

  it("goes on when a supervisor is killed, and is supervised again", async () => {
    const before = await processOf("node");
    process.kill(before.supervisor!, "SIGKILL");
    const after = await waitFor(
      "another supervisor",
      async () => {
        const now = await processOf("node");
        return now.supervisor !== null && now.supervisor !== before.supervisor && now;
      },
      patience,
    );
    expect(after.pid).toBe(before.pid);
  });

  it("one that cannot start is a clear message; it starts when it can, or by r2k", async () => {
    const folder = join(cluster.host.dir, "data", NAME);
    expect(readdirSync(folder)).toContain("controller-manager.conf");
    const [file, aside] = [join(folder, "controller-manager.conf"), join(folder, "aside")];
    for (const mend of [() => undefined, () => cluster.up(["--no-demo"])]) {
      const before = await processOf("control");
      renameSync(file, aside);
      process.kill(before.pid!, "SIGKILL");
      const output = await waitFor(
        "the crash loop to be reported",
        async () => {
          // A status takes the processor for as long as a pause of the loop's first ones.
          const { pid, restarts } = await processOf("control");
          if (pid !== null || restarts === null || restarts.count < 2) return false;
          const { code, stdout } = await status();
          return (
            code === 1 && /control +ended with exit status 1, \d+ times/.test(stdout) && stdout
          );
        },
        patience,
      );
      const logs = `r2k logs control --name ${NAME}`;
      expect(output).toContain(`not well (control has ended; why: ${logs})`);
      expect(output).toMatch(/; it is started again \d+ s after that/);
      renameSync(aside, file);
      await mend();
      await restarted(before);
    }
  });

  it("down in the middle of a pause leaves nothing", async () => {
    const processes = await cluster.processes();
    killAll(processes.map((each) => ({ ...each, supervisor: null })));
    const down = await cluster.down([]);
    expect(down.code, down.stderr).toBe(0);
    const mark = `${cluster.host.dir}/`;
    expect(processTable().filter(({ command }) => command.includes(mark))).toEqual([]);
    expect(differences(hostBefore, await cluster.host.snapshot(NAME))).toEqual([]);
  });
});
