import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { buildImage } from "@raft2kube/runtime/build/image-builder.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, onTestFinished, test, vi } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { Containers } from "../engine/containers.ts";
import type { HandContainer } from "../engine/hand.ts";
import type { Host } from "../engine/host.ts";
import { findImage, openImages } from "../engine/images.ts";
import { sizeWords } from "../format/words.ts";
import { images as imagesVerb } from "./images.ts";
import { logs } from "./logs.ts";
import { pruneVerb } from "./prune.ts";
import { run } from "./run.ts";
import { save } from "./save.ts";
import { restart, stop } from "./stop.ts";
import { system } from "./system.ts";

const asRoot = test.runIf(process.getuid?.() === 0);

/** A host of which no container is started, and what its commands print. */
function emptyHost() {
  const base = testFolder("r2k-verbs-");
  const at = (name: string) => path.join(base, name);
  for (const name of ["hand", "state", "node"]) mkdirSync(at(name));
  const host = {
    root: at("hand"),
    state: at("state"),
    imagesDir: at("images"),
    nodeRoot: at("node"),
    cgroupParent: "/r2k-none",
    cgroups: "none",
    crun: "/bin/false",
    byHand: { command: [], isUsed: false },
    conmon: "/bin/false",
    init: "/bin/false",
    clock: new ManualClock(),
  } as unknown as Host;
  const printed: string[] = [];
  const spy = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    printed.push(String(text));
    return true;
  });
  onTestFinished(() => spy.mockRestore());
  return { at, host, printed };
}

asRoot("images' room is what they take on the disk, each layer once", async () => {
  const { host, printed } = emptyHost();
  const { images } = await openImages(host);
  const entries = [{ name: "f", content: "x".repeat(3 << 20) }];
  for (const name of ["a", "b"]) {
    const config = { Labels: { name } };
    await buildImage(images, { name: `r2k.local/${name}:1`, entries, config });
  }
  const { used_bytes } = await images.diskUsage();
  expect(used_bytes).toBeGreaterThan(3 << 20);
  const args = ["df", "--format", "{{.Type}} {{.TotalCount}} {{.Size}} {{.Reclaimable}}"];
  await system(async () => host).parseAsync(args, { from: "user" });
  const size = sizeWords(used_bytes);
  expect(printed.join("")).toContain(`Images 2 ${size} ${size} (100%)\n`);
  const before = await images.storedBytes();
  await pruneVerb(["image"])(async () => host).parseAsync(["--all"], { from: "user" });
  expect(await images.storedBytes()).toBe(0);
  expect(printed.at(-1)).toBe(`Total reclaimed space: ${sizeWords(before)}\n`);
});

asRoot("a cache of builds that cannot be read is removed too", async () => {
  const { at, host } = emptyHost();
  mkdirSync(at("images/build-cache"), { recursive: true });
  const old = { schema: "r2k-build-cache", version: 0 };
  writeFileSync(at(`images/build-cache/${"ab".repeat(32)}.json`), JSON.stringify(old));
  await system(async () => host).parseAsync(["prune"], { from: "user" });
  expect(readdirSync(at("images"))).not.toContain("build-cache");
});

asRoot("an image that is removed while images are listed fails no list", async () => {
  const { at, host, printed } = emptyHost();
  const { images } = await openImages(host);
  for (const name of ["a", "b"]) {
    const entries = [{ name: "f", content: name }];
    await buildImage(images, { name: `r2k.local/${name}:1`, entries, config: {} });
  }
  // The clock is read once the images are listed.
  const now = () => {
    rmSync(at("images/blobs"), { recursive: true, force: true });
    return 0;
  };
  const late = { ...host, clock: Object.assign(new ManualClock(), { now }) };
  const args = ["--format", "{{.Repository}} {{.CreatedSince}}"];
  await imagesVerb(async () => late).parseAsync(args, { from: "user" });
  expect(printed).toEqual(["r2k.local/a N/A\n", "r2k.local/b N/A\n"]);
});

asRoot("an image's name wins over the start of an id; save is for the caller alone", async () => {
  const { at, host } = emptyHost();
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
});

/** Every name is this container. */
function onlyContainer(found: object) {
  const get = vi.spyOn(Containers.prototype, "get").mockReturnValue(found as HandContainer);
  onTestFinished(() => get.mockRestore());
}

asRoot("a time that is no number leaves a container and its policy alone", async () => {
  const { host } = emptyHost();
  onlyContainer({ hand: { restart: { name: "always" } } });
  const hold = vi.spyOn(Containers.prototype, "hold");
  onTestFinished(() => hold.mockRestore());
  for (const verb of [stop, restart]) {
    const ended = verb(async () => host).parseAsync(["-t", "abc", "x"], { from: "user" });
    await expect(ended).rejects.toThrow("-t");
  }
  expect(hold).not.toHaveBeenCalled();
});

asRoot("a line whose time is damaged is printed with it", async () => {
  const { at, host, printed } = emptyHost();
  const lines = "2026-01-01T00:00:00.5+01:00 stdout F a\nbroken stdout F b\n";
  writeFileSync(at("log"), lines);
  onlyContainer({ record: { logPath: at("log") } });
  await logs(async () => host).parseAsync(["-t", "x"], { from: "user" });
  expect(printed).toEqual(["2025-12-31T23:00:00.5Z a\n", "broken b\n"]);
});

asRoot("a log's lines end where the container's do, and are printed once", async () => {
  const { at, host, printed } = emptyHost();
  const texts = ["10 %\r20 %", "a\u2028b", "of a terminal\r"];
  const lines = texts.map((text) => `2026-01-01T00:00:00Z stdout F ${text}\n`);
  writeFileSync(at("log"), `${lines.join("")}2026-01-01T00:00:00Z stdout F not wh`);
  onlyContainer({ record: { logPath: at("log"), phase: { state: "exited" } } });
  await logs(async () => host).parseAsync(["-f", "x"], { from: "user" });
  expect(printed).toEqual(texts.map((text) => `${text}\n`));
});

test("run ends with docker's exit code where there is no host", async () => {
  const none = async () => {
    throw new RuntimeError("failed-precondition", "no rights");
  };
  const ended = run(none).parseAsync(["x"], { from: "user" });
  await expect(ended).rejects.toMatchObject({ message: "no rights", exitCode: 125 });
});
