import { mkdtempDisposableSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { buildImage } from "@raft2kube/runtime/build/image-builder.ts";
import { expect, test } from "vitest";
import type { Host } from "../engine/host.ts";
import { findImage, openImages } from "../engine/images.ts";
import { save } from "./save.ts";

test.runIf(process.getuid?.() === 0)(
  "an image's name wins over the beginning of an id; save is for the caller alone",
  async () => {
    using base = mkdtempDisposableSync(path.join(tmpdir(), "r2k-save-"));
    const at = (name: string) => path.join(base.path, name);
    const host = { imagesDir: at("images"), nodeRoot: at("node"), root: at("hand") } as Host;
    const { images } = await openImages(host);
    const build = async (name: string) => {
      await buildImage(images, { name, entries: [{ name: "f", content: name }], config: {} });
      return images.get(name).id;
    };
    const first = await build("docker.io/library/first:1");
    const prefix = first.slice("sha256:".length).slice(0, 12);
    expect(findImage({ images }, prefix)?.id).toBe(first);
    const second = await build(`docker.io/library/${prefix}:latest`);
    expect(findImage({ images }, prefix)?.id).toBe(second);
    await save(async () => host).parseAsync(["-o", at("tar"), prefix], { from: "user" });
    expect(statSync(at("tar")).mode & 0o777).toBe(0o600);
  },
);
