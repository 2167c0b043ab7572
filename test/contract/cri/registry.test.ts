import { execFile } from "node:child_process";
import { createReadStream, createWriteStream, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { buildDemoImages } from "@raft2kube/runtime/build/demo-images.ts";
import { loadArchive, saveArchive } from "@raft2kube/runtime/image/archive.ts";
import { pullImage } from "@raft2kube/runtime/image/pull.ts";
import { ImageStore } from "@raft2kube/runtime/image/store.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type DockerRegistry, startDockerRegistry } from "./docker-registry.ts";
import { BUSYBOX, CATATONIT } from "./ours.ts";

const run = promisify(execFile);
const clock = systemClock();

describe.runIf(process.getuid?.() === 0)("pulling from docker-registry", () => {
  let dir: string;
  let registry: DockerRegistry;
  let domain: string;
  let source: ImageStore;
  const open = async (name: string) => {
    const store = new ImageStore(join(dir, name), () => []);
    await store.open();
    return store;
  };

  beforeAll(async () => {
    dir = mkdtempSync("/tmp/r2k-registry-");
    registry = await startDockerRegistry(dir);
    domain = registry.domain;
    source = await open("source");
    await buildDemoImages(source, { busybox: BUSYBOX, init: CATATONIT });
    const archive = join(dir, "web.tar");
    await pipeline(await saveArchive(source, "r2k.local/web:1"), createWriteStream(archive));
    const tls = "--dest-tls-verify=false";
    const from = `oci-archive:${archive}`;
    await run("skopeo", ["copy", tls, from, `docker://${domain}/demo/web:1`]);
    const schema2 = ["--format", "v2s2", from, `docker://${domain}/demo/web:docker`];
    await run("skopeo", ["copy", tls, ...schema2]);
  });
  afterAll(async () => {
    await registry.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  test("an image that was pushed comes back the same, by tag and by digest", async () => {
    const store = await open("a");
    const image = await pullImage(store, `${domain}/demo/web:1`, { clock, endpoints: {} });
    expect(image.id).toBe(source.get("r2k.local/web:1").id);
    const named = store.get(`${domain}/demo/web:1`);
    const [byDigest] = named.repoDigests;
    const again = await open("b");
    await pullImage(again, byDigest!, { clock, endpoints: {} });
    expect(again.get(byDigest!).id).toBe(image.id);
  });

  test("docker's schema 2, with compressed layers", async () => {
    const store = await open("c");
    const image = await pullImage(store, `${domain}/demo/web:docker`, { clock, endpoints: {} });
    expect(image.manifest.layers[0]?.mediaType).toMatch(/gzip$/);
    expect(image.config.rootfs.diff_ids).toEqual(
      source.get("r2k.local/web:1").config.rootfs.diff_ids,
    );
  });

  test("an archive of docker's older form is loaded", async () => {
    const file = join(dir, "docker.tar");
    const from = `oci-archive:${join(dir, "web.tar")}`;
    await run("skopeo", ["copy", from, `docker-archive:${file}:r.example/saved/web:1`]);
    const store = await open("f");
    const names = await loadArchive(store, createReadStream(file));
    expect(names).toEqual(["r.example/saved/web:1"]);
    expect(store.get(names[0]!).config.rootfs.diff_ids).toEqual(
      source.get("r2k.local/web:1").config.rootfs.diff_ids,
    );
  });

  test("another endpoint serves a domain if configured", async () => {
    const store = await open("d");
    const endpoints = { "r.example": `http://${domain}` };
    await pullImage(store, "r.example/demo/web:1", { clock, endpoints });
    expect(store.list()[0]?.repoTags).toEqual(["r.example/demo/web:1"]);
  });

  test("what is not there is named, and leaves nothing", async () => {
    const store = await open("e");
    const pull = (name: string) => pullImage(store, name, { clock, endpoints: {} });
    await expect(pull(`${domain}/demo/none:1`)).rejects.toMatchObject({ code: "not-found" });
    await expect(pull(`${domain}/demo/web:9`)).rejects.toThrow(/manifest unknown|MANIFEST_UNKNOWN/);
    await expect(pull("127.0.0.1:1/x:1")).rejects.toMatchObject({ code: "unavailable" });
    expect(store.list()).toEqual([]);
  });
});
