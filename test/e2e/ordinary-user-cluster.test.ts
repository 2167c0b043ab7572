import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { processTable } from "@raft2kube/cli/observe/process-table.ts";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import { ASK_MS, type ClusterProcess, killAll } from "./cluster.ts";
import { ownMounts } from "./host-snapshot.ts";
import { attackAsStranger, processesOf, secretsIn } from "./local-user.ts";
import { OwnHost } from "./own-host.ts";
import { openCheckout, type UserCheckout, UserNamespace } from "./user-namespace.ts";

// Takes turns, installations: see bootstrap.test.ts.

const NOBODY = 65_534;
const clock = machineClock();

let host: OwnHost;
let space: UserNamespace;
let checkout: UserCheckout;
let kubeconfig = "";
let before: string;

beforeAll(async () => {
  host = await OwnHost.create();
  checkout = await openCheckout(host, NOBODY);
  space = await UserNamespace.create(host, NOBODY, checkout.env);
  before = await hostState();
});

afterAll(async () => {
  await r2k("down", "--purge");
  await space.close();
  await checkout.close();
  await host.close();
});

function r2k(...args: string[]) {
  const [node, main] = checkout.r2k;
  return space.run(node, [main, ...args]);
}

const kubectl = (...args: string[]) => space.ask("kubectl", args, { KUBECONFIG: kubeconfig });

/** Mounts, rules and links but the loopback, which a start has up. */
async function hostState(): Promise<string> {
  const mounts = ownMounts(await space.ask("cat", ["/proc/self/mountinfo"]), host.dir);
  const links = "ip -br link | grep -v ^lo || true";
  return mounts.join("\n") + (await space.ask("sh", ["-c", `nft list ruleset; ${links}`]));
}

function ownProcesses(): string[] {
  const commands = processTable().map(({ command }) => command);
  return commands.filter((command) => command.includes(`${checkout.own}/`));
}

async function killProcesses(): Promise<void> {
  const { stdout } = await r2k("status", "-o", "json");
  killAll((JSON.parse(stdout) as { processes: ClusterProcess[] }).processes);
}

async function answer(): Promise<string> {
  const address = await kubectl("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}");
  return space.ask("curl", ["-sS", "--max-time", "5", `http://${address}/`]);
}

/** A claim of 1 MiB, and a pod that writes 8 MiB into it and stays. */
const GREEDY = [
  {
    kind: "PersistentVolumeClaim",
    spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Mi" } } },
  },
  {
    kind: "Pod",
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: "main",
          image: "r2k.local/busybox:1",
          command: ["sh", "-c", "dd if=/dev/zero of=/data/big bs=1M count=8; exec sleep 600"],
          volumeMounts: [{ name: "data", mountPath: "/data" }],
        },
      ],
      volumes: [{ name: "data", persistentVolumeClaim: { claimName: "greedy" } }],
    },
  },
].map((object) => ({ apiVersion: "v1", metadata: { name: "greedy" }, ...object }));

describe("a cluster of an ordinary user", () => {
  it("starts, and says what it does without", async () => {
    const started = await r2k("start", "-o", "json");
    expect(started.stderr).toMatch(/! cgroups: .*do without: no limits, no statistics/);
    expect(started.code, started.stderr).toBe(0);
    kubeconfig = (JSON.parse(started.stdout) as { kubeconfig: string }).kubeconfig;
    expect(await kubectl("get", "nodes", "-l", "r2k.io/cgroups=none")).toMatch(/ Ready /);
  });

  it("answers through its Service, and runs commands in pods", async () => {
    await kubectl("rollout", "status", "deployment/web", "--timeout=60s");
    const pods = await kubectl("get", "pods", "-l", "app=web");
    expect(pods).toMatch(/(web-\S+ +1\/1 +Running.*\n?){2}/);
    expect(await answer()).toMatch(/hello from raft2kube/);
    expect(await kubectl("exec", "deploy/web", "--", "id", "-u")).toBe("0");
    await kubectl("exec", "deploy/web", "--", "sh", "-c", "echo marked > /proc/1/fd/1");
    expect(await kubectl("logs", "deploy/web")).toContain("marked");
    const lookUp = "nslookup web.default.svc.cluster.local && wget -qO- http://web/";
    expect(await kubectl("exec", "deploy/web", "--", "sh", "-c", lookUp)).toContain("hello");
  });

  it("refuses by name an id that it does not have, and the host's processes", async () => {
    const spec = (fields: object) => JSON.stringify({ apiVersion: "v1", spec: fields });
    const run = (name: string, fields: object) => {
      const how = ["--image=r2k.local/busybox:1", "--restart=Never"];
      return kubectl("run", name, ...how, `--overrides=${spec(fields)}`, "--", "true");
    };
    await run("other", { securityContext: { runAsUser: 1000 } });
    await run("wide", { hostPID: true });
    const says = (name: string, what: RegExp) => {
      const said = async () => what.test(await kubectl("describe", "pod", name));
      const options = { clock, timeout_ms: 30_000, interval_ms: 200 };
      return waitFor(`${name} to say ${what}`, said, options);
    };
    await says("other", /runAsUser 1000 is not mapped in this user namespace/);
    await says("wide", /hostPID needs cgroups/);
    await kubectl("delete", "pod", "other", "wide");
  });

  it("leaves other users of the machine nothing to read, write, connect to or trace", async () => {
    const { stdout } = await r2k("status", "-o", "json");
    const { processes } = JSON.parse(stdout) as { processes: ClusterProcess[] };
    const pids = processes.flatMap(({ pid, supervisor }) => [pid ?? 0, supervisor ?? 0]);
    const folders = [checkout.own];
    const target = { folders, pids: processesOf(pids) };
    const { reach, commands } = await attackAsStranger(host, checkout, target);
    expect(reach).toEqual({ files: [], sockets: [], abstract: [], processes: [] });
    const secrets = secretsIn(join(checkout.own, "data"));
    expect(secrets.length).toBeGreaterThan(20);
    expect(secrets.filter((secret) => commands.includes(secret))).toEqual([]);
  });

  it("evicts a pod that wrote more into its volume than the claim has", async () => {
    const list = JSON.stringify({ apiVersion: "v1", kind: "List", items: GREEDY });
    const apply = `kubectl apply -f - <<'EOF'\n${list}\nEOF`;
    await space.ask("sh", ["-c", apply], { KUBECONFIG: kubeconfig });
    const status = ["get", "pod", "greedy", "-o", "jsonpath={.status.reason}{.status.message}"];
    const evicted = async () => /^Evicted.*exceeds its capacity/.test(await kubectl(...status));
    const patience = { clock, timeout_ms: 60_000, interval_ms: ASK_MS };
    await waitFor("greedy to be evicted", evicted, patience);
    await kubectl("delete", "pod/greedy", "pvc/greedy");
  });

  it("keeps its pods when its processes are killed, and goes on", async () => {
    const list = ["get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].metadata.uid}"];
    const uids = await kubectl(...list);
    await killProcesses();
    const again = await r2k("start", "-o", "json");
    expect(again.code, again.stderr).toBe(0);
    expect(await kubectl(...list)).toBe(uids);
    expect(await answer()).toMatch(/hello from raft2kube/);
    const restarts = "jsonpath={.items[*].status.containerStatuses[*].restartCount}";
    expect(await kubectl("get", "pods", "-l", "app=web", "-o", restarts)).toBe("0 0");
  });

  it("leaves nothing after it was killed and removed", async () => {
    expect(ownProcesses()).not.toEqual([]);
    const pauses = () => processTable().filter(({ command }) => command.startsWith("/pause "));
    const own = pauses().filter(({ pid }) => statSync(`/proc/${pid}`).uid === NOBODY);
    expect(own.length).toBeGreaterThanOrEqual(2);
    await killProcesses();
    const down = await r2k("down", "--purge");
    expect(down.code, down.stderr).toBe(0);
    expect(ownProcesses()).toEqual([]);
    expect(pauses().filter(({ pid }) => own.some((one) => one.pid === pid))).toEqual([]);
    for (const dir of ["data", "run"]) {
      const path = join(checkout.own, dir);
      expect(existsSync(path) ? readdirSync(path) : []).toEqual([]);
    }
    expect(await hostState()).toBe(before);
  });
});
