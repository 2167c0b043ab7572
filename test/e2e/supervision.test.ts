import { readdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { processTable } from "../../cli/observe/process-table.ts";
import { ASK_MS, type ClusterProcess, TestCluster } from "./cluster.ts";
import { watchService } from "./load.ts";

const TIMEOUT_MS = 180_000;
const patience = { clock: systemClock(), timeout_ms: 60_000, interval_ms: ASK_MS };
/** Memory bound of supervision, all processes together. */
const PSS_KIB_MAX = 5 * 1024;
const NAME = "watched";
const IDS = ["get", "pods", "-l", "app=web", "-o", "jsonpath={..containerID}"];

let cluster: TestCluster;
let url: string;

beforeAll(async () => {
  cluster = await TestCluster.start(NAME);
  await cluster.ask("rollout", "status", "deployment/web", "--timeout=90s");
  const ip = "jsonpath={.spec.clusterIP}";
  url = `http://${await cluster.ask("get", "service", "web", "-o", ip)}/`;
}, TIMEOUT_MS);

afterAll(() => cluster?.close(), TIMEOUT_MS);

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

describe("a cluster whose processes end", { timeout: TIMEOUT_MS }, () => {
  it.each(["control", "node"])("goes on when %s is killed: nothing else notices", async (name) => {
    const ids = await cluster.ask(...IDS);
    const load = watchService(cluster.host, url);
    const before = await processOf(name);
    process.kill(before.pid!, "SIGKILL");
    const after = await restarted(before);
    expect(after.restarts?.count).toBe(1);
    const well = async () => (await status()).code === 0;
    await waitFor("the cluster to be well", well, patience);
    expect((await status()).stdout).toMatch(new RegExp(`${name} +pid .*, ended, once, last at`));
    expect(await cluster.ask(...IDS)).toBe(ids);
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
    const log = async () => (await cluster.host.r2k(["logs", "node", "--name", NAME])).stdout;
    const line = "another program changed the node's rules or kernel settings; put back";
    expect(await log()).not.toContain(line);
    expect(await nft("delete", "table", "ip", "r2k-node")).toMatchObject({ code: 0 });
    await waitFor("the log", async () => (await log()).includes(line), patience);
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
    const { pid } = await processOf("control");
    process.kill(pid!, "SIGKILL");
    const down = await cluster.down([]);
    expect(down.code, down.stderr).toBe(0);
    const mark = `${cluster.host.dir}/`;
    expect(processTable().filter(({ command }) => command.includes(mark))).toEqual([]);
    await cluster.up(["--no-demo"]);
  });
});
