import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { mountPointsBelow } from "@raft2kube/linux/mount/mountinfo.ts";
import { describe, expect, test } from "vitest";
import type { Bench } from "./suite.ts";

export function contentRules(bench: Bench): void {
  describe("what a container sees", () => {
    test("volumes are mounted, read-only where asked", async () => {
      const { pods, host } = bench;
      const hostPath = join(host.dir, "volume");
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

    test.runIf(bench.implementation.knows.recursiveReadOnly)(
      "a read-only volume is read-only with the mounts beneath it where that is asked",
      () => recursively(bench),
    );

    test.runIf(bench.implementation.knows.imageVolumes)(
      "an image is a read-only volume, whole or a part of it, without a way out",
      () => imageVolumes(bench),
    );

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
          metadata: { name: "env", attempt: 0 },
          envs: [{ key: "A", value: "b=c" }],
          workingDir: "/tmp",
        },
      });
      expect(await pods.shell(id, "echo $A; pwd; echo $PATH")).toBe(
        "b=c\n/tmp\n/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      );
    });
  });
}

async function recursively({ pods, host, served }: Bench): Promise<void> {
  const { runtimeHandlers } = await served.runtime.status({});
  const handler = runtimeHandlers.find(({ name }) => name === "");
  expect(handler?.features?.recursiveReadOnlyMounts).toBe(true);
  const hostPath = join(host.dir, "outer");
  const inner = join(hostPath, "inner");
  mkdirSync(inner, { recursive: true });
  execFileSync("mount", ["-t", "tmpfs", "none", inner]);
  try {
    const pod = await pods.run({ hostNetwork: true });
    const readonly = true;
    const id = await pods.start(pod, {
      config: {
        mounts: [
          { containerPath: "/plain", hostPath, readonly },
          { containerPath: "/deep", hostPath, readonly, recursiveReadOnly: true },
        ],
      },
    });
    const said = (file: string) => pods.shell(id, `touch ${file} 2>&1 && echo written || true`);
    expect(await said("/plain/new")).toContain("Read-only file system");
    expect(await said("/plain/inner/new")).toBe("written");
    expect(await said("/deep/new")).toContain("Read-only file system");
    expect(await said("/deep/inner/new")).toContain("Read-only file system");
    const { status } = await served.runtime.containerStatus({ containerId: id });
    expect(status?.mounts.map((mount) => mount.recursiveReadOnly)).toEqual([false, true]);
    await pods.removeAll();
  } finally {
    execFileSync("umount", [inner]);
  }
}

async function imageVolumes({ pods, host }: Bench): Promise<void> {
  const pod = await pods.run({ hostNetwork: true });
  const image = (name: string) => ({ image: { image: `r2k.local/${name}:1` }, readonly: true });
  const mounts = [
    { containerPath: "/web", ...image("web") },
    { containerPath: "/part", ...image("web"), imageSubPath: "www" },
    { containerPath: "/box", ...image("busybox") },
  ];
  const id = await pods.start(pod, { config: { mounts } });
  const listed = await pods.shell(id, "ls /web/www");
  expect(listed).not.toBe("");
  expect(await pods.shell(id, "ls /part")).toBe(listed);
  expect(await pods.shell(id, "ls /box/bin/busybox")).toBe("/box/bin/busybox");
  for (const folder of ["/web", "/part", "/box"]) {
    const refused = await pods.shell(id, `touch ${folder}/x 2>&1 || echo refused`);
    expect(refused).toContain("refused");
  }
  const refusals = [
    { ...image("web"), imageSubPath: "absent" },
    { ...image("web"), imageSubPath: "../../.." },
    { ...image("absent") },
    { ...image("web"), readonly: false },
  ];
  for (const [attempt, mount] of refusals.entries()) {
    const metadata = { name: "refused", attempt };
    const config = { metadata, mounts: [{ containerPath: "/x", ...mount }] };
    await expect(pods.start(pod, { config })).rejects.toThrow();
  }
  await pods.removeAll();
  expect(mountPointsBelow(host.dir).filter((each) => each.includes("/volumes/"))).toEqual([]);
}
