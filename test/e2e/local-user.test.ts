import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestCluster } from "./cluster.ts";
import { attackAsStranger, processesOf, STRANGER, secretsIn } from "./local-user.ts";
import { sharedCluster } from "./shared-cluster.ts";
import { asUser, openCheckout, type UserCheckout } from "./user-namespace.ts";

let cluster: TestCluster;
let checkout: UserCheckout;

beforeAll(async () => {
  cluster = await sharedCluster("local-user");
  // From here on the cluster's own permissions count.
  checkout = await openCheckout(cluster.host, STRANGER);
});

afterAll(async () => {
  await checkout?.close();
  await cluster?.leave();
});

const folder = (name: string) => join(cluster.host.dir, name);

async function pids(): Promise<number[]> {
  const named = await cluster.processes();
  const found = processesOf(named.flatMap(({ pid, supervisor }) => [pid ?? 0, supervisor ?? 0]));
  return found.filter((pid) => pid > 0);
}

/** Returns the status that a server of the cluster answers the stranger with. */
async function ask(url: string, ...more: string[]): Promise<string> {
  const flags = ["-sko", "/dev/null", "-w", "%{http_code}", "--max-time", "5", ...more];
  const curl = ["curl", ...flags, url];
  return (await cluster.host.run("setpriv", [...asUser(STRANGER), ...curl])).stdout;
}

/** Upstream's ports of kube-controller-manager and of kube-scheduler. */
const MEASURED_PORTS = ["10257", "10259"];

describe("another user of a machine with a cluster", () => {
  it("reads and writes none of its files, reaches no socket and no process", async () => {
    const folders = ["data", "run", "home"].map(folder);
    const { reach, sockets, commands } = await attackAsStranger(cluster.host, checkout, {
      folders,
      pids: await pids(),
    });
    expect(reach).toEqual({ files: [], sockets: [], abstract: [], processes: [] });
    expect(sockets.map((path) => basename(path))).toEqual(
      expect.arrayContaining(["store.sock", "cri.sock", "node.sock", "csi-hostpath.sock"]),
    );
    expect(commands).toContain("node");
    const secrets = secretsIn(folder("data"));
    expect(secrets.length).toBeGreaterThan(20);
    expect(secrets.filter((secret) => commands.includes(secret))).toEqual([]);
  });

  it("the attacker finds what is open", async () => {
    const open = mkdtempSync(join(cluster.host.dir, "open-"));
    chmodSync(open, 0o777);
    const socket = createServer().listen(join(open, "sock"));
    await once(socket, "listening");
    chmodSync(join(open, "sock"), 0o777);
    const target = { folders: [open], pids: [] };
    const { reach } = await attackAsStranger(cluster.host, checkout, target);
    expect(reach.files).toEqual([`write ${open}`, `write ${join(open, "sock")}`]);
    expect(reach.sockets).toEqual([join(open, "sock")]);
    socket.close();
    rmSync(open, { recursive: true });
  });

  it("is answered by every port only what all may know", async () => {
    const address = "jsonpath={.items[0].status.addresses[?(@.type=='InternalIP')].address}";
    const node = await cluster.ask("get", "nodes", "-o", address);
    const { stdout } = await cluster.host.run("ss", ["-Hltn"]);
    const listening = stdout
      .trim()
      .split("\n")
      .map((line) => line.split(/\s+/)[3]!);
    const onPort = (port: string) => listening.filter((where) => where.endsWith(`:${port}`));
    const ports = new Set(listening.map((where) => where.split(":").at(-1)!));
    // The API server, on the loopback and on the link to the node; metrics and health of the
    // controllers and of the scheduler on that link alone.
    const measured = MEASURED_PORTS.flatMap(onPort).map((where) => `https://${where}`);
    expect(measured).toHaveLength(MEASURED_PORTS.length);
    for (const port of MEASURED_PORTS) ports.delete(port);
    expect(ports.size).toBe(1);
    const api = onPort([...ports][0]!).map((where) => `https://${where}`);
    const guarded = [
      ...measured.flatMap((base) =>
        ["/metrics", "/configz", "/debug/pprof/"].map((path) => base + path),
      ),
      ...api.flatMap((base) =>
        ["/api/v1/secrets", "/metrics", "/logs", "/debug/pprof/"].map((path) => base + path),
      ),
      ...["/pods", "/metrics", "/configz", "/stats/summary", "/run/a/b/c", "/exec/a/b/c"].map(
        (path) => `https://${node}:10250${path}`,
      ),
    ];
    for (const url of guarded) expect(await ask(url), url).toMatch(/^40[13]$/);
    expect(await ask(`${api[0]}/version`)).toBe("200");
    for (const where of [...listening, `${node}:10250`]) {
      expect(await ask(`http://${where}/`), where).toMatch(/^(000|400)$/);
    }
  });
});
