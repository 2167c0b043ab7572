import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Bench } from "./suite.ts";

export function contentRules(bench: Bench): void {
  describe("what a container sees", () => {
    test("volumes are mounted, read-only where asked", async () => {
      const { pods, world } = bench;
      const hostPath = join(world.dir, "volume");
      mkdirSync(hostPath, { recursive: true });
      writeFileSync(join(hostPath, "file"), "content");
      const pod = await pods.run({ hostNetwork: true });
      const mounts = [
        { containerPath: "/data/inner", hostPath, readonly: true },
        { containerPath: "/data", hostPath },
      ];
      const id = await pods.start(pod, { config: { mounts } });
      await pods.shell(id, "echo more > /data/new");
      expect(await pods.shell(id, "cat /data/inner/new")).toBe("more");
      expect(await pods.shell(id, "echo x 2>&1 > /data/inner/y || echo refused")).toContain(
        "refused",
      );
    });

    test("the image's command and environment are used, and replaced", async () => {
      const { pods } = bench;
      const pod = await pods.run({ hostNetwork: true });
      const web = await pods.start(pod, {
        image: "r2k.local/web:1",
        config: { command: [], args: ["httpd", "-f", "-p", "127.0.0.1:18080", "-h", "/www"] },
      });
      await pods.says(web, "tr '\\0' ' ' < /proc/1/cmdline", "/bin/init --");
      const id = await pods.start(pod, {
        config: {
          metadata: { name: "env", attempt: 0 }, envs: [{ key: "A", value: "b=c" }],
          workingDir: "/tmp",
        },
      });
      expect(await pods.shell(id, "echo $A; pwd; echo $PATH")).toBe(
        "b=c\n/tmp\n/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      );
    });
  });
}
