import { mkdtempDisposableSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { buildImage } from "@raft2kube/runtime/build/image-builder.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, onTestFinished, test, vi } from "vitest";
import type { Host } from "../engine/host.ts";
import { openImages } from "../engine/images.ts";
import { images as verb } from "./images.ts";

/** A clock that is read once the images are listed. */
class LateClock extends ManualClock {
  readonly #read: () => void;

  constructor(read: () => void) {
    super();
    this.#read = read;
  }

  override now(): number {
    this.#read();
    return super.now();
  }
}

test.runIf(process.getuid?.() === 0)(
  "an image that is removed while images are listed fails no list",
  async () => {
    using base = mkdtempDisposableSync(path.join(tmpdir(), "r2k-images-verb-"));
    const at = (name: string) => path.join(base.path, name);
    const clock = new LateClock(() => rmSync(at("images/blobs"), { recursive: true, force: true }));
    const places = { imagesDir: at("images"), nodeRoot: at("node"), root: at("hand") };
    const host = { ...places, clock } as unknown as Host;
    const { images } = await openImages(host);
    for (const name of ["a", "b"]) {
      const entries = [{ name: "f", content: name }];
      await buildImage(images, { name: `r2k.local/${name}:1`, entries, config: {} });
    }
    const printed = vi.spyOn(process.stdout, "write").mockReturnValue(true);
    onTestFinished(() => printed.mockRestore());
    const args = ["--format", "{{.Repository}} {{.CreatedSince}}"];
    await verb(async () => host).parseAsync(args, { from: "user" });
    expect(printed.mock.calls.map(([line]) => line)).toEqual([
      "r2k.local/a N/A\n",
      "r2k.local/b N/A\n",
    ]);
  },
);
