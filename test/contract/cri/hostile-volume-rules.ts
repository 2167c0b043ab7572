import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Bench } from "./suite.ts";

/**
 * Rules for volumes with hostile content, which the pod chooses; runc, unlike crun, always reads
 * /etc/passwd.
 */
export function hostileVolumeRules(bench: Bench): void {
  test("a fifo for /etc/passwd holds up neither start, nor exec, nor the end", async () => {
    const { pods, host } = bench;
    const etc = join(host.dir, "etc");
    mkdirSync(etc);
    spawnSync("mkfifo", [join(etc, "passwd"), join(etc, "group")]);
    const mounts = [{ containerPath: "/etc", hostPath: etc }];
    const id = await pods.start(await pods.run({ hostNetwork: true }), { config: { mounts } });
    const script = "echo $HOME; test -p /etc/passwd && echo well";
    expect(await pods.shell(id, script)).toBe("/root\nwell");
    await bench.served.runtime.stopContainer({ containerId: id, timeout: 0 });
  });
}
