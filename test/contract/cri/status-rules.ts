import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { describe, expect, test } from "vitest";
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

    test("the file system of images is reported", async () => {
      const { imageFilesystems } = await bench.served.images.imageFsInfo({});
      expect(imageFilesystems[0]?.fsId?.mountpoint).toMatch(/^\//);
    });
  });
}
