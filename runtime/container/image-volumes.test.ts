import { mkdirSync, symlinkSync } from "node:fs";
import path from "node:path";
import { mountPointsBelow } from "@raft2kube/linux/mount/mountinfo.ts";
import type { Mount } from "@raft2kube/proto/gen/cri.ts";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import type { ContainerPaths } from "../paths.ts";
import type { Images } from "../ports.ts";
import { mountImageVolumes, mountLayers, unmountImageVolumes } from "./image-volumes.ts";

let folder: string;
beforeEach(() => {
  folder = testFolder("r2k-image-volumes-");
});

test("a single layer that is a link is refused, as each of several", () => {
  const target = path.join(folder, "target");
  const link = path.join(folder, "layer");
  mkdirSync(target);
  symlinkSync(folder, link);
  expect(() => mountLayers([link], target)).toThrow("is no directory");
  expect(() => mountLayers([link, folder], target)).toThrow("is no directory");
});

test.runIf(process.getuid?.() === 0)("an image is mounted once for all mounts of it", async () => {
  const layer = path.join(folder, "layer");
  mkdirSync(path.join(layer, "sub"), { recursive: true });
  const images = { get: () => ({ id: "i", diffIds: ["d"] }), lowerDirectories: () => [layer] };
  const paths = { volumes: path.join(folder, "volumes") } as ContainerPaths;
  const volume = { image: { image: "i" }, readonly: true, imageSubPath: "" };
  const asked = [volume, { ...volume, imageSubPath: "sub" }, { hostPath: "/own" }, volume];
  try {
    const made = await mountImageVolumes({ images } as unknown as Images, paths, asked as Mount[]);
    const own = path.join(paths.volumes, "0");
    const sources = made.mounts.map(({ hostPath }) => hostPath);
    expect(sources).toEqual([own, path.join(own, "sub"), "/own", own]);
    expect(made.diffIds).toEqual(["d"]);
    expect(mountPointsBelow(folder)).toEqual([own]);
  } finally {
    await unmountImageVolumes(paths);
  }
});
