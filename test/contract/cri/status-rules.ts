import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { describe, expect, test } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import type { Bench } from "./suite.ts";

export function statusRules(bench: Bench): void {
  const networkReady = async () => {
    const { status } = await bench.served.runtime.status({});
    return status!.conditions.find(({ type }) => type === "NetworkReady");
  };

  describe("status", () => {
    test("the API is CRI v1", async () => {
      const version = await bench.served.runtime.version({});
      expect(version.runtimeApiVersion).toBe("v1");
      expect(version.runtimeName).not.toBe("");
    });

    test("the network is ready as long as there is a configuration", async () => {
      expect(await networkReady()).toMatchObject({ status: true });
      const { cniConfDir } = bench.host;
      const file = join(cniConfDir, readdirSync(cniConfDir)[0]!);
      const text = readFileSync(file);
      rmSync(file);
      const clock = systemClock();
      const lost = async () => {
        const condition = await networkReady();
        return condition?.status === false && condition;
      };
      const condition = await waitFor("the network to be lost", lost, { clock });
      expect(condition.reason).toBe("NetworkPluginNotReady");
      writeFileSync(file, text);
      await waitFor("the network", async () => (await networkReady())?.status, { clock });
    });

    test("images are found by name and by id, and not when they are not there", async () => {
      const { images } = bench.served;
      const { image } = await images.imageStatus({ image: { image: "r2k.local/busybox:1" } });
      expect(image?.repoTags).toContain("r2k.local/busybox:1");
      expect(image?.size).toBeGreaterThan(1_000_000);
      const byId = await images.imageStatus({ image: { image: image!.id } });
      expect(byId.image?.id).toBe(image!.id);
      const none = await images.imageStatus({ image: { image: "r2k.local/none:1" } });
      expect(none.image).toBeUndefined();
      const listed = (await images.listImages({})).images.map(({ id }) => id);
      expect(listed).toContain(image!.id);
    });

    test("ids are found by their start, of which crictl shows 13 digits", async () => {
      const { runtime, images } = bench.served;
      const id = await bench.pods.run({ hostNetwork: true });
      const podSandboxId = id.slice(0, 13);
      expect((await runtime.podSandboxStatus({ podSandboxId })).status?.id).toBe(id);
      const { items } = await runtime.listPodSandbox({ filter: { id: podSandboxId } });
      expect(items.map((item) => item.id)).toEqual([id]);
      const started = await bench.pods.start(id, { command: ["sleep", "1000"] });
      const containerId = started.slice(0, 13);
      expect((await runtime.containerStatus({ containerId })).status?.id).toBe(started);
      const { stdout } = await runtime.execSync({ containerId, cmd: ["echo", "a"], timeout: 0 });
      expect(stdout.toString()).toBe("a\n");
      const { image } = await images.imageStatus({ image: { image: "r2k.local/busybox:1" } });
      const start = image!.id.replace("sha256:", "").slice(0, 13);
      const found = await images.imageStatus({ image: { image: start } });
      expect(found.image?.id).toBe(image!.id);
    });

    test("the file system of images is reported", async () => {
      const { imageFilesystems } = await bench.served.images.imageFsInfo({});
      expect(imageFilesystems[0]?.fsId?.mountpoint).toMatch(/^\//);
    });
  });
}
