import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { lstat, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Init } from "@raft2kube/proto/codec.ts";
import {
  type CreateVolumeRequest,
  VolumeCapability_AccessMode_Mode as Mode,
  type Volume,
} from "@raft2kube/proto/gen/csi.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CsiFixture, capability, type DriverUnderTest, refused, WRITER } from "./fixture.ts";

export interface NfsUnderTest extends DriverUnderTest {
  parameters: Record<string, string>;
  /** Where the server has the share, on this machine. */
  exported(dir: string): string;
}

const NAMES = {
  "csi.storage.k8s.io/pvc/name": "data",
  "csi.storage.k8s.io/pvc/namespace": "shop",
  "csi.storage.k8s.io/pv/name": "pv-1",
};

/** The NFS driver's own rules: a class's parameters, and what is in the share afterwards. */
export function nfsRules(name: string, driver: NfsUnderTest): void {
  describe(`NFS driver: ${name}`, () => {
    const csi = new CsiFixture(driver);
    beforeEach(() => csi.open());
    afterEach(() => csi.close());
    const share = (file = "") => path.join(driver.exported(csi.dir), file);
    const createIn = (subDir: string, more: Record<string, string> = {}, name = subDir) =>
      csi.create({ name, parameters: { ...driver.parameters, subDir, ...more } });

    directoryRules(csi, driver, share);
    deleteRules(csi, share, createIn);
    recordRules(csi, share, createIn);
    linkRules(csi, share, createIn);
    accessRules(csi, driver, share);
  });
}

type Share = (file?: string) => string;
type CreateIn = (
  subDir: string,
  more?: Record<string, string>,
  name?: string,
) => ReturnType<CsiFixture["create"]>;

function directoryRules(csi: CsiFixture, driver: NfsUnderTest, share: Share): void {
  const create = (more: Record<string, string>, name = "v") =>
    csi.create({ name, parameters: { ...driver.parameters, ...more } });

  it("subDir is made of the names of claim and volume", async () => {
    const subDir = "${pvc.metadata.namespace}/${pvc.metadata.name}-${pv.metadata.name}";
    const { volumeContext, volumeId } = await create({ ...NAMES, subDir });
    expect(volumeContext["subDir"]).toBe("shop/data-pv-1");
    expect((await lstat(share("shop/data-pv-1"))).mode & 0o7777).toBe(0o777);
    await csi.controller.deleteVolume({ volumeId });
    expect(existsSync(share("shop"))).toBe(false);
  });

  it("the error of a parameter names it, and nothing is made", async () => {
    const cases: [Record<string, string>, string][] = [
      [{ server: "" }, "parameters.server"],
      [{ server: "a b" }, "parameters.server"],
      [{ share: "" }, "parameters.share"],
      [{ share: "data" }, "parameters.share"],
      [{ share: "/data/../etc" }, "parameters.share"],
      [{ share: "/data#x" }, "parameters.share"],
      [{ subDir: "../x" }, "parameters.subDir"],
      [{ subDir: "a/../../x" }, "parameters.subDir"],
      [{ subDir: "a/./b" }, "parameters.subDir"],
      [{ subDir: "a\0b" }, "parameters.subDir"],
      [{ subDir: "/" }, "parameters.subDir"],
      [{ subDir: "x".repeat(256) }, "parameters.subDir"],
      [{ subDir: ".r2k-csi/volumes" }, "parameters.subDir"],
      [{ subDir: "${pvc.metadata.name}" }, "pvc.metadata.name"],
      [{ subDir: "${node.metadata.name}" }, "node.metadata.name"],
      [{ ...NAMES, "csi.storage.k8s.io/pvc/name": "../x", subDir: "${pvc.metadata.name}" }, "name"],
      [{ onDelete: "shred" }, "parameters.onDelete"],
      [{ mountPermissions: "rwx" }, "parameters.mountPermissions"],
      [{ fast: "yes" }, "parameters.fast"],
    ];
    for (const [more, field] of cases) {
      await expect(create(more), JSON.stringify(more)).rejects.toMatchObject({
        status: Status.INVALID_ARGUMENT,
        message: expect.stringContaining(field),
      });
    }
    await create({});
    expect(
      readdirSync(share())
        .filter((name) => name !== "lost+found")
        .sort(),
    ).toEqual([".r2k-csi", "v"]);
  });

  it("a name keeps its directory, and mountPermissions are the directory's", async () => {
    await create({ subDir: "a", mountPermissions: "0750" });
    expect((await lstat(share("a"))).mode & 0o7777).toBe(0o750);
    await expect(create({ subDir: "b" })).rejects.toEqual(refused(Status.ALREADY_EXISTS));
    await expect(create({ subDir: "a" }, "w")).rejects.toEqual(refused(Status.ALREADY_EXISTS));
    expect(existsSync(share("b"))).toBe(false);
  });
}

function deleteRules(csi: CsiFixture, share: Share, createIn: CreateIn): void {
  it("onDelete: the directory goes, stays, or is renamed, and is not found again", async () => {
    for (const onDelete of ["delete", "retain", "archive", "archive"]) {
      const { volumeId } = await createIn(`x/${onDelete}`, { onDelete });
      await writeFile(share(`x/${onDelete}/file`), "kept");
      await csi.controller.deleteVolume({ volumeId });
      await csi.controller.deleteVolume({ volumeId });
      const got = csi.controller.controllerGetVolume({ volumeId });
      await expect(got).rejects.toEqual(refused(Status.NOT_FOUND));
    }
    expect(readdirSync(share("x")).sort()).toEqual([
      "archived-archive",
      "archived-archive.1",
      "retain",
    ]);
    expect(readFileSync(share("x/retain/file"), "utf8")).toBe("kept");
    expect(readdirSync(share(".r2k-csi/trash"))).toEqual([]);
    for (const onDelete of ["delete", "retain", "archive"]) {
      await expect(createIn("x/archived-archive", { onDelete })).rejects.toMatchObject({
        status: Status.ALREADY_EXISTS,
        message: expect.stringContaining("an archive"),
      });
      await expect(createIn("x/archived-archive/y", { onDelete })).rejects.toMatchObject({
        status: Status.ALREADY_EXISTS,
        message: expect.stringContaining("within an archive"),
      });
    }
  });

  it("a directory that is there is taken over where its files are not deleted", async () => {
    mkdirSync(share("old"), { recursive: true });
    await writeFile(share("old/file"), "precious");
    await expect(createIn("old")).rejects.toEqual(refused(Status.ALREADY_EXISTS));
    const volume = await createIn("old", { onDelete: "retain" });
    await csi.publish(volume, "t");
    expect(readFileSync(csi.path("t/file"), "utf8")).toBe("precious");
    await csi.withdraw(volume, "t");
    expect(readFileSync(share("old/file"), "utf8")).toBe("precious");
  });
}

/** Leaves the record of a volume as a driver does that ends before it has made the directory. */
function leaveBegun(share: Share, { volumeId }: Volume): void {
  const file = share(`.r2k-csi/volumes/${volumeId.split("#").at(-1)}.json`);
  const record = JSON.parse(readFileSync(file, "utf8")) as object;
  writeFileSync(file, JSON.stringify({ ...record, state: "creating" }));
}

function recordRules(csi: CsiFixture, share: Share, createIn: CreateIn): void {
  it("a volume that was begun keeps its directory, not the name of one it never got", async () => {
    leaveBegun(share, await createIn("d", {}, "first"));
    await expect(createIn("d", {}, "second")).rejects.toEqual(refused(Status.ALREADY_EXISTS));
    rmdirSync(share("d"));
    const { volumeId } = await createIn("d", {}, "second");
    await expect(createIn("d", {}, "first")).rejects.toEqual(refused(Status.ALREADY_EXISTS));
    await csi.controller.controllerGetVolume({ volumeId });
    await createIn("e", {}, "first");
  });
}

function linkRules(csi: CsiFixture, share: Share, createIn: CreateIn): void {
  it("no volume is within another", async () => {
    await createIn("a/b", { onDelete: "retain" });
    await expect(createIn("a/b/c")).rejects.toEqual(refused(Status.ALREADY_EXISTS));
    const outer = createIn("a", { onDelete: "retain" });
    await expect(outer).rejects.toEqual(refused(Status.ALREADY_EXISTS));
    await createIn("a/bb");
  });

  it("a link in the place of a directory leads nowhere", async () => {
    mkdirSync(share("victim"), { recursive: true });
    await writeFile(share("victim/file"), "precious");
    const volume = await createIn("ns/v");
    renameSync(share("ns/v"), share("ns/was"));
    for (const [at, to] of [
      ["ns/v", "../victim"],
      ["ns", "victim"],
    ] as const) {
      if (at === "ns") renameSync(share("ns"), share("moved"));
      symlinkSync(to, share(at));
      const published = csi.node.nodePublishVolume(csi.publication(volume, "t"));
      await expect(published).rejects.toEqual(refused(Status.FAILED_PRECONDITION));
      expect(csi.mounts()).toEqual([]);
    }
    const { volumeId } = volume;
    const deleted = csi.controller.deleteVolume({ volumeId });
    await expect(deleted).rejects.toEqual(refused(Status.FAILED_PRECONDITION));
    expect(readFileSync(share("victim/file"), "utf8")).toBe("precious");
  });
}

function accessRules(csi: CsiFixture, driver: NfsUnderTest, share: Share): void {
  it("every access mode of a directory, and no block volume", async () => {
    for (const mode of Object.values(Mode).filter((mode) => mode !== Mode.UNKNOWN)) {
      const volumeCapabilities = [capability(mode)];
      await csi.create({ name: `mode-${mode}`, volumeCapabilities });
    }
    const block = { block: {}, accessMode: { mode: Mode.SINGLE_NODE_WRITER } };
    const asked: Init<CreateVolumeRequest> & { name: string } = {
      name: "block",
      volumeCapabilities: [block],
    };
    await expect(csi.create(asked)).rejects.toEqual(refused(Status.INVALID_ARGUMENT));
  });

  it("mount flags are checked by name", async () => {
    for (const flag of ["loop", "addr=10.0.0.1", "nosharecache", "bg", "nfsvers=5", "timeo=x"]) {
      const volumeCapabilities = [{ ...WRITER, mount: { mountFlags: ["hard", flag] } }];
      await expect(csi.create({ name: "v", volumeCapabilities }), flag).rejects.toMatchObject({
        status: Status.INVALID_ARGUMENT,
        message: expect.stringContaining(flag),
      });
    }
  });

  it("a volume that was made by hand is mounted by its attributes", async () => {
    mkdirSync(share("by/hand"), { recursive: true });
    const { server = "", share: exported = "" } = driver.parameters;
    const request = {
      volumeId: "any-handle",
      targetPath: csi.path("t"),
      volumeCapability: capability(Mode.MULTI_NODE_MULTI_WRITER),
    };
    const publish = (subDir: string) =>
      csi.node.nodePublishVolume({
        ...request,
        volumeContext: { server, share: exported, subDir },
      });
    await expect(publish("by/../hand")).rejects.toEqual(refused(Status.INVALID_ARGUMENT));
    await expect(publish("missing")).rejects.toEqual(refused(Status.NOT_FOUND));
    await publish("by/hand");
    await writeFile(csi.path("t/file"), "x");
    expect(readdirSync(share("by/hand"))).toEqual(["file"]);
    await csi.node.nodeUnpublishVolume({ volumeId: "any-handle", targetPath: csi.path("t") });
    expect(csi.mounts()).toEqual([]);
  });
}
