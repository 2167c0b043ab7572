import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import { ASK_MS } from "./cluster.ts";
import { OwnHost } from "./own-host.ts";

const patience = { clock: machineClock(), timeout_ms: 90_000, interval_ms: ASK_MS };
const VALUE_BYTES = 120_000;
/** Objects that one kubectl creates: starting it takes longer than they do. */
const BATCH = 10;

describe("a machine that is not as it should be", () => {
  let host: OwnHost;
  beforeAll(async () => {
    host = await OwnHost.create();
  });
  afterAll(() => host.close());

  it("lacks a program: its package is installed with a notice, or named", async () => {
    // Not executable any more, in this host alone; Debian's package says that it is there.
    await host.run("mount", ["--bind", "/dev/null", "/usr/bin/crun"]);
    const started = await host.r2k(["start"]);
    expect(started.code).toBe(2);
    expect(started.stderr).toContain("Installing Debian packages: crun");
    expect(started.stderr).toMatch(/✗ program crun: not found.*\n\s+remedy: apt-get install crun/);
    await host.run("umount", ["/usr/bin/crun"]);
  });

  describe("a disk that fills up under a running cluster", () => {
    let env: Record<string, string>;
    const name = ["--name", "full"];
    const start = () => host.r2k(["start", "--no-demo", ...name, "-o", "json"], { env });

    afterAll(() => host.r2k(["down", "--purge", ...name], { env }));

    it("leaves the store its reserve; it takes data again when there is room", async () => {
      const small = join(host.dir, "small");
      mkdirSync(small);
      await host.run("mount", ["-t", "tmpfs", "-o", "size=700m", "r2k-small", small]);
      env = { R2K_DATA: small };
      const started = await start();
      expect(started.code, started.stderr).toBe(0);
      const { kubeconfig } = JSON.parse(started.stdout) as { kubeconfig: string };
      const kubectl = (args: readonly string[], input = "") =>
        host.run("kubectl", ["--request-timeout=5s", ...args], {
          env: { KUBECONFIG: kubeconfig },
          input,
        });
      await host.run("dd", ["if=/dev/zero", `of=${small}/filler`, "bs=1M"]);
      const data = { v: "v".repeat(VALUE_BYTES) };
      const acknowledged: string[] = [];
      for (let i = 0; i < 300; i += BATCH) {
        const items = Array.from({ length: BATCH }, (_, at) => {
          return { apiVersion: "v1", kind: "ConfigMap", metadata: { name: `c${i + at}` }, data };
        });
        const list = JSON.stringify({ apiVersion: "v1", kind: "List", items });
        const made = await kubectl(["create", "-f", "-", "-o", "name"], list);
        acknowledged.push(...made.stdout.split("\n").filter(Boolean));
        if (made.code !== 0) break;
      }
      expect(acknowledged.length).toBeLessThan(300);
      const names = async () => {
        const there = await kubectl(["get", "configmaps", "-o", "name"]);
        return there.code === 0 && there.stdout;
      };
      // Where the last bytes went before the store looked, its supervisor starts it again.
      const full = await waitFor("an answer on the full disk", names, patience);
      for (const each of acknowledged) expect(full).toContain(`${each}\n`);
      await host.run("rm", [join(small, "filler")]);
      const made = async () => (await kubectl(["create", "configmap", "later"])).code === 0;
      await waitFor("data to be taken again", made, patience);
      const status = await host.r2k(["status", ...name], { env });
      expect(status.code, status.stdout).toBe(0);
      const logs = await host.r2k(["logs", "control", ...name], { env });
      expect(logs.stdout).toContain("the store's reserve is released");
    });

    it("has another network where the cluster's addresses are", async () => {
      expect((await host.r2k(["down", ...name], { env })).code).toBe(0);
      await host.run("ip", ["link", "add", "other0", "type", "veth", "peer", "name", "other1"]);
      await host.run("ip", ["addr", "add", "10.96.7.1/24", "dev", "other0"]);
      await host.run("ip", ["link", "set", "other0", "up"]);
      const started = await start();
      expect(started.code).toBe(2);
      expect(started.stderr).toMatch(/address ranges: 10\.96\.0\.0\/16 overlaps .*10\.96\.7\.\d/);
    });
  });
});
