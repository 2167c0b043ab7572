import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { Status } from "@raft2kube/rpc/error.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { beforeEach, describe, expect, it } from "vitest";
import { testFolder } from "../../../testing/folders.ts";
import { makeVolume, openDriver } from "./driver.ts";
import { makeEphemeralVolume } from "./ephemeral.ts";
import { INLINE_VOLUMES_MAX } from "./limits.ts";

describe("openDriver", () => {
  let dataDir: string;
  const place = { topologyKey: "topology.d/node", nodeId: "n" };
  const open = () => openDriver({ dataDir, place, clock: systemClock(), form: "directory" });

  beforeEach(async () => {
    dataDir = testFolder("r2k-driver-");
  });

  it("removes what a crash left between directory and record, and nothing else", async () => {
    const driver = await open();
    const volume = { id: "vol-1", name: "a", capacity_bytes: 1, block: false, ephemeral: false };
    await makeVolume(driver, volume);
    await mkdir(path.join(dataDir, "volumes", "vol-torn"));
    await mkdir(path.join(dataDir, "snapshots", "snap-torn"));
    const reopened = await open();
    expect(await readdir(path.join(dataDir, "volumes"))).toEqual(["vol-1"]);
    expect(await readdir(path.join(dataDir, "snapshots"))).toEqual([]);
    expect(reopened.state.current.volumes).toEqual({ "vol-1": volume });
  });

  it("deletes no data when the state file is lost or damaged: it refuses to start", async () => {
    const driver = await open();
    const volume = { id: "vol-1", name: "a", capacity_bytes: 1, block: false, ephemeral: false };
    await makeVolume(driver, volume);
    const data = path.join(dataDir, "volumes", "vol-1", "data");
    await writeFile(data, "precious");
    await rm(path.join(dataDir, "state.json"));
    await expect(open()).rejects.toMatchObject({ code: "STATE_MISSING" });
    await writeFile(path.join(dataDir, "state.json"), "{}");
    await expect(open()).rejects.toMatchObject({ code: "STATE_DAMAGED" });
    expect(await readdir(path.dirname(data))).toEqual(["data"]);
  });

  it("leaves volumes to claims: pods have a part of them as inline ones", async () => {
    const driver = await open();
    const inline = (id: string) =>
      ({ id, name: id, capacity_bytes: 1, block: false, ephemeral: true }) as const;
    const ids = Array.from({ length: INLINE_VOLUMES_MAX }, (_, at) => `csi-${at}`);
    const volumes = Object.fromEntries(ids.map((id) => [id, inline(id)]));
    await driver.state.change((current) => ({ ...current, volumes }));
    const make = (volumeId: string) =>
      makeEphemeralVolume(driver, { volumeId, volumeContext: {} } as never);
    await make("csi-0");
    await expect(make("csi-more")).rejects.toMatchObject({ status: Status.RESOURCE_EXHAUSTED });
  });
});
