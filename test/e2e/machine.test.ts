import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { OwnHost } from "./own-host.ts";

const TIMEOUT_MS = 120_000;
/** Below what one argument of a program may have. */
const VALUE_BYTES = 120_000;

describe("a machine that is not as it should be", { timeout: TIMEOUT_MS }, () => {
  let host: OwnHost;
  beforeEach(async () => {
    host = await OwnHost.create();
  });
  afterEach(() => host.close());

  it("lacks a program: its package is installed with a notice, or named", async () => {
    // Not executable any more, in this host alone; Debian's package says that it is there.
    await host.run("mount", ["--bind", "/dev/null", "/usr/bin/crun"]);
    const started = await host.r2k(["start"]);
    expect(started.code).toBe(2);
    expect(started.stderr).toContain("Installing Debian packages: crun");
    expect(started.stderr).toMatch(/✗ program crun: not found.*\n\s+remedy: apt-get install crun/);
  });

  it("has another network where the cluster's addresses are", async () => {
    expect((await host.r2k(["start", "--no-demo"])).code).toBe(0);
    expect((await host.r2k(["down"])).code).toBe(0);
    await host.run("ip", ["link", "add", "other0", "type", "veth", "peer", "name", "other1"]);
    await host.run("ip", ["addr", "add", "10.96.7.1/24", "dev", "other0"]);
    await host.run("ip", ["link", "set", "other0", "up"]);
    const started = await host.r2k(["start", "--no-demo"]);
    expect(started.code).toBe(2);
    expect(started.stderr).toMatch(/address ranges: 10\.96\.0\.0\/16 overlaps .*10\.96\.7\.\d/);
    await host.r2k(["down", "--purge"]);
  });
});

describe("a disk that fills up under a running cluster", { timeout: TIMEOUT_MS }, () => {
  it("ends the store with the reason; what was acknowledged is there later", async () => {
    const host = await OwnHost.create();
    const small = join(host.dir, "small");
    mkdirSync(small);
    await host.run("mount", ["-t", "tmpfs", "-o", "size=700m", "r2k-small", small]);
    const env = { R2K_DATA: small };
    const name = ["--name", "full"];
    const started = await host.r2k(["start", "--no-demo", ...name, "-o", "json"], { env });
    expect(started.code, started.stderr).toBe(0);
    const { kubeconfig } = JSON.parse(started.stdout) as { kubeconfig: string };
    const kubectl = (...args: string[]) =>
      host.run("kubectl", ["--request-timeout=5s", ...args], { env: { KUBECONFIG: kubeconfig } });
    await host.run("dd", ["if=/dev/zero", `of=${small}/filler`, "bs=1M"]);
    const value = "v".repeat(VALUE_BYTES);
    const acknowledged: string[] = [];
    for (let i = 0; i < 300; i++) {
      const made = await kubectl("create", "configmap", `c${i}`, `--from-literal=v=${value}`);
      if (made.code !== 0) break;
      acknowledged.push(`c${i}`);
    }
    const status = await host.r2k(["status", ...name], { env });
    expect(status.code).toBe(1);
    const logs = await host.r2k(["logs", "control", ...name], { env });
    expect(logs.stdout).toMatch(/No space left on device.*free or replace the disk/s);
    await host.run("rm", [join(small, "filler")]);
    const again = await host.r2k(["start", "--no-demo", ...name], { env });
    expect(again.code, again.stderr).toBe(0);
    const there = await kubectl("get", "configmaps", "-o", "name");
    for (const each of acknowledged) expect(there.stdout).toContain(`configmap/${each}\n`);
    expect((await host.r2k(["down", "--purge", ...name], { env })).code).toBe(0);
    await host.close();
  });
});
