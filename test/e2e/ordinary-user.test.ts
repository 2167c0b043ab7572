import { chmodSync, chownSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Outcome, OwnHost } from "./own-host.ts";

const TIMEOUT_MS = 60_000;
const ROOT = join(import.meta.dirname, "../..");
const NOBODY = 65_534;

let host: OwnHost;
let checkout: string;
let env: Record<string, string>;

beforeAll(async () => {
  host = await OwnHost.create();
  await host.r2k(["version"]); // bundles, which that user may not
  chmodSync(host.dir, 0o755);
  checkout = join(host.dir, "checkout");
  const own = join(host.dir, "own");
  for (const dir of [checkout, own]) mkdirSync(dir);
  chownSync(own, NOBODY, NOBODY);
  // Where this user finds the checkout, whoever may read the folders above it.
  const mounted = await host.run("mount", ["--bind", ROOT, checkout]);
  expect(mounted.stderr).toBe("");
  env = {
    R2K_ROOT: checkout,
    R2K_DATA: join(own, "data"),
    R2K_RUN: join(own, "run"),
    HOME: own,
  };
}, TIMEOUT_MS);

afterAll(async () => {
  await host.run("umount", [checkout]);
  await host.close();
});

/** r2k as an ordinary user; `enter` is put before it. */
function asNobody(enter: readonly string[], args: readonly string[]): Promise<Outcome> {
  const user = ["--reuid", String(NOBODY), "--regid", String(NOBODY), "--clear-groups"];
  const node = join(checkout, "node_modules/node/bin/node");
  const program = [node, join(checkout, ".cache/bundle/main.js"), ...args];
  return host.run("setpriv", [...user, ...enter, ...program], { env });
}

const NAMESPACES = ["unshare", "-Urnm"];

describe("an ordinary user", { timeout: TIMEOUT_MS }, () => {
  it("is told to be root, before anything else is tried", async () => {
    const started = await asNobody([], ["start"]);
    expect(started.code).toBe(2);
    expect(started.stderr).toMatch(/✗ privileges: not root\n +remedy: run as root: sudo npm start/);
    expect(readdirSync(join(host.dir, "own"))).toEqual([]);
  });

  it("in a user namespace: networks, mounts and rules work; what is missing is named", async () => {
    const doctor = await asNobody(NAMESPACES, ["doctor"]);
    for (const check of ["network namespaces", "veth", "overlayfs", "nftables with NAT"]) {
      expect(doctor.stdout).toContain(`✓ ${check}: works`);
    }
    expect(doctor.code).toBe(2);
    expect(doctor.stdout).toMatch(/✗ user ids: only 1 of 65536 are mapped.*\n +remedy: .*uidmap/);
    expect(doctor.stdout).toMatch(/✗ cgroups: .*EACCES.*\n +remedy: run as root/);
    const failures = doctor.stdout.match(/✗ [a-z ]+/g);
    expect(failures).toEqual(["✗ user ids", "✗ cgroups"]);
  });

  it("a cluster that is root's is not read, and it says whose it is", async () => {
    const data = join(host.dir, "data");
    mkdirSync(join(data, "default"), { mode: 0o700 });
    const status = await asNobody(["env", `R2K_DATA=${data}`], ["status"]);
    expect(status.code).toBe(1);
    expect(status.stderr).toMatch(/belongs to another user.*\n.*\n? +remedy: run as that user/);
  });
});
